"""Files: images, read whole or refused; and writing that is whole or not at all."""
