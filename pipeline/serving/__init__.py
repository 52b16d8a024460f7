"""What runs wherever the model is served: raw input -> raw tensors -> layers -> answer. Needs no other part of us."""
