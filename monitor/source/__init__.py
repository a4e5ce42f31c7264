"""Where configurations come from: SMART360 over HTTP, or a folder of exports."""
