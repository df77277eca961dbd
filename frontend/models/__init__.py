"""What the Models page, views/models.py, is made of."""
