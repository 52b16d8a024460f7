"""Training: what a recipe's `train` section says, done by Keras and made a function of the seed."""
