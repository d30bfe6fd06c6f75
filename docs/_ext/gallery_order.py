"""The order of the gallery: the tour first, then by file name."""

from sphinx_gallery.sorting import FileNameSortKey


class TourFirst(FileNameSortKey):
    """Put the tour and the quickstart before the others."""

    def __call__(self, filename):
        """Return what files are sorted by."""
        first = ["tour.py", "quickstart.py", "without_bias_labels.py"]
        return (first.index(filename) if filename in first else len(first), filename)
