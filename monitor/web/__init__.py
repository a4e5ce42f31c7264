"""Pages and endpoints: server-rendered, no build step, no request to another host."""
