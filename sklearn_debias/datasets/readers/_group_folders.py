"""Sets whose labels are the names of folders, or end the names of files."""

import os
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from sklearn.utils import Bunch

from sklearn_debias.datasets._folder import named_if_unreadable
from sklearn_debias.datasets.readers._arguments import (
    check_folder,
    check_layout,
    check_seed,
    check_switches,
)
from sklearn_debias.datasets.readers._counts import check_counts as compare
from sklearn_debias.datasets.readers._folders import FolderSet
from sklearn_debias.datasets.readers._layouts_bar import read_bar_folder
from sklearn_debias.datasets.readers._layouts_crossed import (
    SPUCO_BIRDS,
    SPUCO_DOGS,
    read_plain,
    read_urbancars,
)
from sklearn_debias.datasets.readers._layouts_dfa import BFFHQ, CIFAR10C, CMNIST
from sklearn_debias.datasets.readers._layouts_metashift import read_metashift
from sklearn_debias.datasets.readers._layouts_spawrious import read_spawrious
from sklearn_debias.datasets.readers._paths import image_paths
from sklearn_debias.datasets.readers._table import bunch_of
from sklearn_debias.seeds import Seed

ADVICE = "Copy the files there, or pass the folder that it leads to."


class Layout(NamedTuple):
    """How a set is read, and by which of the parameters that not all sets have."""

    read: Callable[..., FolderSet]
    options: tuple[str, ...] = ()


LAYOUTS = {
    "spuco_birds": Layout(SPUCO_BIRDS),
    "spuco_dogs": Layout(SPUCO_DOGS),
    "urbancars": Layout(read_urbancars),
    "spawrious": Layout(read_spawrious, ("benchmark",)),
    "bffhq": Layout(BFFHQ, ("percent", "test")),
    "cmnist": Layout(CMNIST, ("percent",)),
    "cifar10c": Layout(CIFAR10C, ("percent",)),
    "bar": Layout(read_bar_folder, ("percent", "conflicting")),
    "metashift": Layout(read_metashift, ("task",)),
}


def read_group_folders(
    folder: str | os.PathLike[str],
    layout: str | None = None,
    *,
    benchmark: str | None = None,
    percent: str | float | None = None,
    test: Literal["all", "conflicting"] | None = None,
    conflicting: int | None = None,
    task: Literal["subpopulation", "subpopbench"] | None = None,
    random_state: Seed = 0,
    check_counts: bool = True,
) -> Bunch:
    r"""Read a set that is folders of images, named by class and bias value.

    Nothing is downloaded, and no image is opened. Files are images by their suffix (jpg, jpeg, png,
    webp, bmp, tif, tiff, ppm, pgm, gif); others are left out with a warning, hidden ones without.

    Parameters
    ----------
    folder : str or path-like
        Local folder of the set, or the one that holds it under the name that its archive gives it.
    layout : str, default=None
        Which set it is: its folders, names and published counts. One of "spuco_birds",
        "spuco_dogs", "urbancars", "spawrious", "bffhq", "cmnist", "cifar10c", "bar" and
        "metashift". None is any set in
        ``{split}/{class}/{bias}/`` (train, val, test and words alike), or in ``{class}/{bias}/``,
        which is all `train`. Names are numbered in sorted order.
    benchmark : str, default=None
        For "spawrious", which needs it: "o2o_easy", "o2o_medium", "o2o_hard", "m2m_easy",
        "m2m_medium" or "m2m_hard". Training and test set have two environments each, which
        `metadata` tells apart as 0 and 1. The loader of the set takes the first images of a folder
        in the order of the file system; here, they are the first by sorted names, on every machine.
    percent : {"0.5", "1", "2", "5"} or float, default=None
        For "bffhq", "cmnist" and "cifar10c", the share of bias-conflicting images in training. None
        is "0.5". For "bar" in BiasEnsemble's folders "1" (None) or "5".
    test : {"all", "conflicting"}, default=None
        For "bffhq". "all" (None) are the 1,000 test images, as BiasAdv [2]_ reports them;
        "conflicting" are the 500 whose gender conflicts with the age, as DFA [1]_ and BiasEnsemble
        do. Figures of the two do not compare.
    conflicting : int, default=None
        For "bar" as published, how many conflicting photographs to move from the test to the
        training set, as in `read_bar`: 17 or 94 for 1 % or 5 % [2]_. None is 0.
    task : {"subpopulation", "subpopbench"}, default=None
        For "metashift": three tasks have this name. "subpopulation" (None) is MetaShift's own
        [3]_, with some cats outdoors and dogs indoors in training, and a balanced test set
        (``MetaShift-subpopulation-shift``, with ``imageID_to_group.pkl``). "subpopbench" pools the
        four folders of ``MetaShift-Cat-Dog-indoor-outdoor`` and draws 25 % of test and 10 % of
        validation images, here from sorted names. SubpopBench's own rows depend on the file system
        that it ran on: `read_metadata_csv` reads them. The third, of LISA, has other contexts and
        folders ``dog/dog(...)``, and is refused.
    random_state : None, int, RandomState or Generator, default=0
        For "bar", determines which photographs are moved. None draws fresh entropy.
    check_counts : bool, default=True
        Whether a copy that differs from verified counts is an error. Else it is a warning, as it is
        for counts that are only recalled.

    Returns
    -------
    sets : sklearn.utils.Bunch
        `train`, `validation` and `test`, as far as there are any, with `target_names`, `bias_names`
        (a list of two for "urbancars"), `fingerprint` (which tells copies apart) and `DESCR`. Each
        set is a Bunch with

        data : ndarray of shape (n,), str
            Paths of the images.

        target : ndarray of shape (n,), int64
            Indices into `target_names`.

        bias_labels : ndarray of shape (n,), int64
            Indices into `bias_names`; for "urbancars" of shape (n, 2), background and the object
            beside the car. For "bar" 0 is bias-aligned and 1 bias-conflicting.

        metadata : DataFrame of n rows
            "file", "split" and labels, and what else is known.

        index : ndarray of shape (n,), int64
            Row among all images that were read.

    Raises
    ------
    ValueError
        If a folder or file is missing (a FileNotFoundError as well), folders or names are not those
        of the layout, two of them differ in spaces around them, or in case where no split has both,
        bias values are called as splits are, files are empty, a link leads out of the folder, the
        counts are not the published ones, or a parameter belongs to another layout.

    Warns
    -----
    DebiasWarning
        If files are left out, folders hold no images, `train` has no rows of a class, or the counts
        are not those that are recalled of the set.

    See Also
    --------
    read_metadata_csv : Where classes and bias values are columns of a table.
    read_bar : Biased Action Recognition from one file.

    Notes
    -----
    Counts of SpuCoBirds, SpuCoDogs, UrbanCars, Spawrious, BAR as published and MetaShift's own task
    are verified. Those of BFFHQ, CMNIST, CIFAR10-C and SubpopBench's MetaShift are recalled. "bar"
    in BiasEnsemble's folders has none; there the names of files tell which validation and test
    images conflict.

    References
    ----------
    .. [1] J. Lee, E. Kim, J. Lee, J. Lee and J. Choo, "Learning Debiased Representation via
       Disentangled Feature Augmentation", NeurIPS 2021.
    .. [2] J. Lim et al., "BiasAdv: Bias-Adversarial Augmentation for Model Debiasing", CVPR 2023.
    .. [3] W. Liang and J. Zou, "MetaShift: A Dataset of Datasets for Evaluating Contextual
       Distribution Shifts and Training Conflicts", ICLR 2022.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_debias.datasets import read_group_folders
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("train/bird/land", "train/fish/water", "test/fish/land"):
    ...         Path(folder, name).mkdir(parents=True)
    ...         _ = Path(folder, name, "0.jpg").write_bytes(b"an image")
    ...     animals = read_group_folders(folder)
    >>> animals.train.bias_labels, animals.target_names[animals.test.target]
    (array([0, 1]), array(['fish'], dtype='<U4'))
    """
    kind = check_layout(layout, LAYOUTS) or Layout(read_plain)
    check_switches(check_counts=check_counts)
    check_seed(random_state)
    given = {
        "benchmark": benchmark,
        "percent": percent,
        "test": test,
        "conflicting": conflicting,
        "task": task,
    }
    own = _own(given, layout, kind)
    if layout == "bar":
        own["random_state"] = random_state
    path = check_folder(folder)
    with named_if_unreadable():
        found = kind.read(path, **own)
        root = found.tree.root
        data = image_paths(root, found.rows["file"].tolist(), str(root), advice=ADVICE)
    if found.counts is not None:
        published = found.rows if found.published is None else found.published
        compare(published, found.by, found.counts, str(root), strict=check_counts)
    descr = f"{len(data):,} images of {root}. {found.tree.where} {found.note}"
    return bunch_of(
        found.rows,
        lambda index: data[index],
        source=str(root),
        bias=found.bias,
        target_names=found.target_names,
        bias_names=found.bias_names,
        descr=descr.rstrip(),
    )


def _own(given: dict[str, Any], layout: str | None, kind: Layout) -> dict[str, Any]:
    """Return the parameters of a layout; raise for those of others."""
    passed = {name: value for name, value in given.items() if value is not None}
    for name in passed:
        if name not in kind.options:
            owners = " or ".join(
                f'layout="{key}"' for key, other in LAYOUTS.items() if name in other.options
            )
            raise ValueError(
                f"`{name}` belongs to {owners}, got layout={layout!r}. Leave it out, or name the "
                "layout."
            )
    return passed
