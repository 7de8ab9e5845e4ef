"""The published JASCO models: field, conditions, layers, T5 and packed weights."""
