"""The stages of the blur-classifier pipeline as functions on images: enhance, vote, blend, retinex.

An image is float32 (N, 1, H, W) in gray levels, 0 to 255. What the published code keeps in files of 8 bit is rounded
here in the same places, so that a level is a whole number. docs/methods/blurcnn.md draws the order of the stages.
"""
