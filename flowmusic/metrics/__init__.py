"""How closely audio follows a request, how good it is, and how sure the numbers are: one task a module.

Pure functions over times, labels and samples.  Recognisers are handed in; this package imports none.
"""
