"""What the Gallery, views/gallery.py, is made of."""
