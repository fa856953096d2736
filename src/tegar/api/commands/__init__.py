"""Commands, one module per noun; ``registry`` lists them all."""
