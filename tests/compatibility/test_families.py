"""Families of transformers, tiny and randomly drawn: which are trained, which embed, which cannot.

The tables here are those of docs/guide/text.md and docs/guide/images.md.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tokens import N_IDS, make_rows

from sklearn_debias import ERMClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.core.internal import TokenLimits
from sklearn_debias.feature_extraction import Embedder

transformers = pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    # Fits of an epoch learn little.
    pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning"),
]
EOS = 2
X = [
    {"input_ids": [5 if i == EOS else i for i in row["input_ids"]] + [EOS]}
    for row in make_rows(16, longest=20)[0]
]
IMAGES = np.random.default_rng(0).random((16, 3, 32, 32)).astype("float32")
y = np.arange(16) % 2

IDS = {"vocab_size": N_IDS, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": EOS}
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
# Their positions begin behind that of the padding.
FROM_2 = {**SMALL, "max_position_embeddings": 66, "pad_token_id": 1}
OF_T5 = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
OF_T5 = {**OF_T5, "num_labels": 2, "decoder_start_token_id": 0}
OF_BART = {"d_model": 8, "num_labels": 2}
for part in ("encoder", "decoder"):
    OF_BART |= {f"{part}_layers": 1, f"{part}_attention_heads": 2, f"{part}_ffn_dim": 8}

TEXT = {  # settings, and how many tokens are taken
    "ALBERT": ("Albert", {**SMALL, "embedding_size": 8}, 512),
    "BART": ("Bart", OF_BART, 1024),
    "BERT": ("Bert", {**SMALL, "max_position_embeddings": 64}, 64),
    "DeBERTa": ("DebertaV2", {**SMALL, "relative_attention": True, "pos_att_type": ["c2p"]}, 512),
    "DistilBERT": ("DistilBert", {"dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 8}, 512),
    "ELECTRA": ("Electra", {**SMALL, "embedding_size": 8}, 512),
    # The last token that is no padding answers: the id of the padding counts.
    "GPT-2": ("GPT2", {"n_embd": 8, "n_layer": 1, "n_head": 2, "pad_token_id": 7}, 1024),
    "Llama": ("Llama", {**SMALL, "max_position_embeddings": 64}, 64),
    "ModernBERT": ("ModernBert", {**SMALL, "cls_token_id": 1, "sep_token_id": EOS}, 8192),
    "MPNet": ("MPNet", FROM_2, 64),
    "RoBERTa": ("Roberta", FROM_2, 64),
    "T5": ("T5", OF_T5, None),
    "XLNet": ("XLNet", {"d_model": 8, "n_layer": 1, "n_head": 2, "d_inner": 8}, None),
}
PATCHES = {**SMALL, "image_size": 32, "patch_size": 8}
WINDOWS = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": 8,
    "depths": [1, 1],
    "num_heads": [1, 2],
    "window_size": 2,
}
STAGES = {"hidden_sizes": [8, 8], "depths": [1, 1], "num_stages": 2}
PICTURES = {
    "BEiT": ("Beit", PATCHES),
    "ConvNeXt": ("ConvNext", STAGES),
    "DeiT": ("DeiT", PATCHES),
    "DINOv2": ("Dinov2", PATCHES),
    "Swin": ("Swin", WINDOWS),
    # Of whose layers one has as many outputs as there are classes.
    "Swin v2": ("Swinv2", WINDOWS),
    "ViT": ("ViT", PATCHES),
}


def made(kind, family, sizes):
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**sizes)
    return getattr(transformers, f"{family}{kind}")(config).eval()


def of_text(kind, family, sizes):
    return made(kind, family, {**IDS, **sizes})


def alone(network, row):
    """What the network says of a row by itself, in its own words."""
    ids = torch.tensor([row["input_ids"]])
    with torch.no_grad():
        return network(input_ids=ids, attention_mask=torch.ones_like(ids))


def assert_split_and_alike(network, rows, expected):
    """The head is found, and predictions are the network's own: the fit changes next to nothing."""
    clf = ERMClassifier(network, max_epochs=1, lr=1e-12, random_state=0).fit(rows, y)
    assert isinstance(clf.module_, SplitModule)
    proba = clf.predict_proba(rows)
    np.testing.assert_array_equal(clf.predict_proba(rows[3:4]), proba[3:4])
    np.testing.assert_allclose(proba[3:4], expected.softmax(1), atol=1e-6)
    return clf.module_


@pytest.mark.parametrize("name", TEXT)
def test_text_is_classified(name):
    family, sizes, longest = TEXT[name]
    network = of_text("ForSequenceClassification", family, sizes)
    module = assert_split_and_alike(network, X, alone(network, X[3]).logits)
    limits = TokenLimits.of(module)
    assert (limits.length, limits.n_ids) == (longest, N_IDS)
    embedded = Embedder(network, cache_dir=None).fit(X).transform(X[:4])
    logits = module.head(torch.from_numpy(embedded))
    np.testing.assert_allclose(
        logits[3:4].detach(), alone(network, X[3]).logits, atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("name", [*TEXT, "CLIP"])
def test_text_is_embedded_by_what_has_no_head(name):
    clip = ("CLIPText", {**SMALL, "max_position_embeddings": 64}, 64)
    family, sizes, _ = TEXT.get(name, clip)
    network = of_text("EncoderModel" if family == "T5" else "Model", family, sizes)
    embedder = Embedder(network, cache_dir=None).fit(X)
    found = embedder.transform(X)
    np.testing.assert_array_equal(embedder.transform(X[3:4]), found[3:4])
    expected = alone(network, X[3]).last_hidden_state.mean(1)
    np.testing.assert_allclose(found[3:4], expected, atol=1e-5)


@pytest.mark.parametrize("name", PICTURES)
def test_images_are_classified_and_embedded(name):
    family, sizes = PICTURES[name]
    network = made("ForImageClassification", family, sizes)
    with torch.no_grad():
        expected = network(torch.from_numpy(IMAGES[3:4])).logits
    module = assert_split_and_alike(network, IMAGES, expected)
    embedded = Embedder(network, cache_dir=None).fit(IMAGES).transform(IMAGES[:4])
    logits = module.head(torch.from_numpy(embedded))
    np.testing.assert_allclose(logits[3:4].detach(), expected, atol=1e-5, rtol=1e-4)
    backbone = made("Model", family, sizes)
    assert Embedder(backbone, cache_dir=None).fit(IMAGES).transform(IMAGES).shape[0] == 16


def test_images_are_embedded_by_clip():
    seen = made("Model", "CLIPVision", PATCHES)
    found = Embedder(seen, cache_dir=None).fit(IMAGES).transform(IMAGES)
    with torch.no_grad():
        expected = seen(torch.from_numpy(IMAGES)).last_hidden_state.mean(1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    projecting = made("ModelWithProjection", "CLIPVision", {**PATCHES, "projection_dim": 6})
    with torch.no_grad():
        expected = projecting(torch.from_numpy(IMAGES)).image_embeds
    for layer in ("", "visual_projection"):
        found = Embedder(projecting, layer=layer, cache_dir=None).fit(IMAGES).transform(IMAGES)
        np.testing.assert_allclose(found, expected, atol=1e-5)


NO_EOS = [{"input_ids": row["input_ids"][:-1]} for row in X]
CLIP = {"vision_config": PATCHES, "text_config": {**SMALL, "vocab_size": N_IDS}}
REFUSED = {
    "no padding": (
        lambda: of_text(
            "ForSequenceClassification", "GPT2", {**TEXT["GPT-2"][1], "pad_token_id": None}
        ),
        X,
        r"set network\.config\.pad_token_id to tokenizer",
    ),
    "no end of a row": (
        lambda: of_text("ForSequenceClassification", "T5", OF_T5),
        [X[0], *NO_EOS[1:]],
        r"needs the id eos_token_id=2 at the end of each row",
    ),
    "a decoder": (
        lambda: of_text("Model", "T5", OF_T5),
        X,
        r"pass the encoder, network\.get_encoder\(\)",
    ),
    "text and images": (
        lambda: made("Model", "CLIP", CLIP),
        IMAGES,
        "pass the part for one, such as CLIPVisionModel",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_run_is_refused_with_a_way_out(case):
    make, rows, message = REFUSED[case]
    for estimator in (ERMClassifier(make(), max_epochs=1), Embedder(make(), cache_dir=None)):
        with pytest.raises(ValueError, match=f"`module` cannot process a batch.*{message}"):
            estimator.fit(rows, y)


def test_what_has_no_head_is_no_classifier():
    network = of_text("EncoderModel", "T5", OF_T5)
    for module in (network, network.get_encoder()):
        with pytest.raises(ValueError, match=r"Pass a \*ForSequenceClassification .*Embedder"):
            ERMClassifier(module, max_epochs=1).fit(X, y)
    images = made("Model", "ViT", PATCHES)
    with pytest.raises(ValueError, match=r"\*ForImageClassification of its kind"):
        ERMClassifier(images, max_epochs=1).fit(IMAGES, y)


def test_rows_that_a_tokenizer_has_padded_at_their_beginning_are_those_without():
    family, sizes, _ = TEXT["GPT-2"]
    network = of_text("ForSequenceClassification", family, sizes)
    clf = ERMClassifier(network, max_epochs=1, random_state=0).fit(X, y)
    padded = [
        {
            "input_ids": [7] * 5 + row["input_ids"],
            "attention_mask": [0] * 5 + [1] * len(row["input_ids"]),
        }
        for row in X
    ]
    np.testing.assert_array_equal(clf.predict_proba(padded), clf.predict_proba(X))


@pytest.mark.parametrize(("page", "table"), [("text", TEXT), ("images", PICTURES)])
def test_the_guide_lists_the_families(page, table):
    text = (Path(__file__).parents[2] / "docs" / "guide" / f"{page}.md").read_text("utf-8")
    (line,) = re.findall(r"^\| `\*For\w+Classification` \|.*$", text, flags=re.MULTILINE)
    assert line.split("|")[2].strip().split(", ") == sorted(table, key=str.lower)
