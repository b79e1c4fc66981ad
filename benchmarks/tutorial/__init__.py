"""What a good tutorial on Django REST framework arrives at: correct, and plain."""
