"""What a file of golden tensors holds, computed again by our own models: one kind of file a module.

Each ``recompute(tensors, metadata)`` returns, by the stored name, every way in which we compute that tensor.
"""
