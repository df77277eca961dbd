"""The page's own web server: its routes, its middleware, and how it starts and stops."""
