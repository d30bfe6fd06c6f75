"""Readers of the field's data, from local copies in the layouts that the field keeps them in.

Nothing is downloaded, and no image is opened.
"""
