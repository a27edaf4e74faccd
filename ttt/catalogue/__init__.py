"""What `conf/` and the user's own folders define, by name, and what their files may not do."""
