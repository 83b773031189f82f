"""How well a detector or a segmentation network does on fused images: labels, networks, training and scores."""
