"""Face recognition from a file of weights, and the bank of a folder of portraits."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1, fixed_image_standardization
from helpers.fakes import FixedDetector, no_faces
from PIL import Image
from safetensors.torch import load_file, save_file

from fairness_core.critics import CriticsError
from fairness_core.critics.face_recognition import build_face_bank, load_facenet, read_portrait
from fairness_core.critics.faces import MtcnnDetector
from fairness_core.tensor_files import TensorFileError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def embedder(checkpoints):
    return load_facenet(checkpoints / "facenet.safetensors")


def test_embeddings_are_those_of_facenet_pytorch(embedder, checkpoints):
    stock = InceptionResnetV1(pretrained=None).eval()
    weights = load_file(checkpoints / "facenet.safetensors")
    stock.load_state_dict({name: value for name, value in weights.items() if not name.startswith("logits.")})
    pixels = torch.randint(0, 256, (2, 3, 160, 160), generator=torch.Generator().manual_seed(0)).float()
    crops = (pixels / 127.5 - 1).requires_grad_()
    found = embedder.embed(crops)
    torch.testing.assert_close(found, stock(fixed_image_standardization(pixels)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    found[0, 0].backward()
    assert crops.grad[0].abs().sum() > 0 and crops.grad[1].abs().sum() == 0
    assert not embedder.training and not any(p.requires_grad for p in embedder.parameters())


def test_a_pytorch_state_dict_is_read_too(checkpoints, tmp_path):
    torch.save(load_file(checkpoints / "facenet.safetensors"), tmp_path / "facenet.pt")
    assert load_facenet(tmp_path / "facenet.pt").crop_size == 160


@pytest.mark.parametrize(("write", "error", "says"), [
    (lambda path: None, CriticsError, "needs the weights of InceptionResnetV1 as .*releases"),
    (lambda path: torch.save({"last_linear.weight": torch.ones(1)}, path), CriticsError, "of another network"),
    (lambda path: path.write_bytes(b"PK" + b"0" * 99), TensorFileError, "not a whole|cut short"),
    (lambda path: path.write_bytes(pickle.dumps(print, protocol=2)), TensorFileError, "or holds more than tensors"),
])
def test_weights_that_cannot_be_used(tmp_path, write, error, says):
    write(tmp_path / "facenet.pt")
    with pytest.raises(error, match=says):
        load_facenet(tmp_path / "facenet.pt")


def test_the_bank_holds_a_face_for_every_portrait(embedder, checkpoints):
    bank = build_face_bank(checkpoints / "portraits", MtcnnDetector(CPU), embedder, CPU)
    assert bank.embeddings.shape == (3, 512) and bank.without_face == ()
    torch.testing.assert_close(bank.embeddings.norm(dim=1), torch.ones(3))
    assert not bank.embeddings.requires_grad


def test_portraits_without_a_face_are_left_out_and_named(embedder, tmp_path):
    for name, shade in (("a.png", 10), ("b.JPG", 200)):
        Image.new("RGB", (64, 48), (shade,) * 3).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("passed over", encoding="utf-8")
    bright = lambda images: FixedDetector()(images) if images.mean() > 0 else no_faces()(images)  # noqa: E731
    bank = build_face_bank(tmp_path, bright, embedder, CPU)
    assert bank.without_face == ("a.png",) and len(bank.embeddings) == 1
    with pytest.raises(CriticsError, match="No face was found"):
        build_face_bank(tmp_path, no_faces(), embedder, CPU)


def test_folders_and_files_that_cannot_be_used(embedder, checkpoints, tmp_path):
    with pytest.raises(CriticsError, match="no folder of portraits"):
        build_face_bank(tmp_path / "none", no_faces(), embedder, CPU)
    (tmp_path / "one.png").write_bytes(b"no picture")
    with pytest.raises(CriticsError, match="one.png is no picture"):
        build_face_bank(tmp_path, no_faces(), embedder, CPU)
    (tmp_path / "one.png").unlink()
    (tmp_path / "two.png").symlink_to(checkpoints / "portraits" / "000178.png")
    with pytest.raises(CriticsError, match="must lie in"):
        build_face_bank(tmp_path, no_faces(), embedder, CPU)


def test_portraits_are_turned_upright_and_shrunk(tmp_path):
    picture = Image.new("L", (1200, 800))
    exif = picture.getexif()
    exif[0x0112] = 6  # lying on its side
    picture.save(tmp_path / "phone.jpg", exif=exif)
    assert read_portrait(tmp_path / "phone.jpg").shape == (1, 3, 512, 341)
    assert read_portrait(tmp_path / "phone.jpg").min() >= -1


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_a_colour_keep_their_brightness(channels, tmp_path):
    shades = np.linspace(0, 65535, 60 * 40 * channels).astype(np.uint16).reshape(40, 60, channels)
    cv2.imwrite(str(tmp_path / "scan.png"), shades)
    found = read_portrait(tmp_path / "scan.png")
    expected = torch.from_numpy(shades[..., ::-1] / 65535 * 2 - 1).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(found, expected.expand(1, 3, -1, -1), atol=0.02, rtol=0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_half_a_picture_is_refused(suffix, tmp_path):
    path = tmp_path / f"half.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    with pytest.raises(CriticsError, match=f"half.{suffix} is no picture"):
        read_portrait(path)
    path.write_bytes(b"")
    with pytest.raises(CriticsError, match=f"half.{suffix} is no picture"):
        read_portrait(path)


def test_a_file_with_a_float_bank_is_not_mistaken_for_weights(tmp_path):
    save_file({"embeddings": torch.zeros(1, 512)}, tmp_path / "bank.safetensors")
    with pytest.raises(CriticsError, match="of another network"):
        load_facenet(tmp_path / "bank.safetensors")
