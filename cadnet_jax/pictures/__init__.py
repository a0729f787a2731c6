"""Pictures: overlays of images, and plots."""
