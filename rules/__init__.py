"""What must hold: packs of rules, their evaluation, findings and the life of findings. Pure."""
