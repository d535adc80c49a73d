"""The files that each data set can be read from, for `data add --help` and error messages."""

from __future__ import annotations

TORCHMETA = "torchmeta's {train,val,test}_data.hdf5"
_CIFAR = (
    "cifar-100-python or its .tar.gz; {}_{{train,val,test}}.pickle; folders apple/ or train/apple/ of 32x32; "
    "torchmeta's "
    "data.hdf5; Hugging Face's Parquet"
)
FORMS = {
    "mini-imagenet": "images with train.csv, val.csv, test.csv (beside them or in split/) or base.json, val.json, "
    "novel.json; folders n01532829/ or train/n01532829/, of 84x84 or in their own sizes; "
    f"mini-imagenet-cache-{{train,val,test}}.pkl; miniImageNet_category_split_*.pickle; {TORCHMETA}; Parquet with "
    "class names",
    "cifar-fs": _CIFAR.format("CIFAR_FS"),
    "fc100": _CIFAR.format("FC100"),
    "tiered-imagenet": "{train,val,test}_images_png.pkl or _images.npz, each with its _labels.pkl; folders n01530575/ "
    f"or train/n01530575/ of 84x84; tables of SimpleShot, lists of easyfsl; {TORCHMETA}",
    "cub": f"CUB_200_2011 or its .tgz; folders train/CLASS/ in the split of Chen et al. (2019); {TORCHMETA}",
    "omniglot": "nothing to add, it is included; images_background, images_evaluation, unpacked or .zip; torchmeta's "
    "data.hdf5",
    "folder": "CLASS/, or train/CLASS/, valid/CLASS/ and test/CLASS/ (meta-train, base, novel, ... too); or tables of "
    "files and classes: train.csv, val.csv, test.csv, labels.csv, metadata.csv or .jsonl, base.json, val.json, "
    "novel.json; or CLASS/ and lists of classes: train.txt, val.txt, test.txt, split.json; Meta-Album, VGG Flower, "
    "FGVC-Aircraft, Stanford Dogs and FSS-1000 as they are distributed",
}
PACKED = "Image files and pickles may also be inside tar or zip archives, except for `folder`."
