"""The batched MTCNN against facenet-pytorch's own pass, and its parts against torchvision's."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from PIL import Image
from torch.nn import functional as F
from torchvision.ops import box_iou, nms

from fairness_core.critics import mtcnn
from fairness_core.critics.mtcnn import NONE, BatchedMtcnn, Candidates, crop, overlaps

PORTRAITS = Path(__file__).resolve().parents[2] / "portraits"


@pytest.fixture(scope="module")
def portraits() -> torch.Tensor:
    rows = list(csv.DictReader((PORTRAITS / "labels.csv").open(encoding="utf-8")))
    pixels = np.stack([np.array(Image.open(PORTRAITS / row["file_name"]).convert("RGB")) for row in rows])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def views(portraits: torch.Tensor) -> dict[str, torch.Tensor]:
    noise = torch.randn(portraits.shape, generator=torch.Generator().manual_seed(0))
    small = F.interpolate(portraits, (80, 80), mode="bilinear", antialias=True)
    return {"as they are": portraits, "dark": 0.3 * portraits - 0.6, "noisy": (portraits + 0.4 * noise).clamp(-1, 1),
            "at the border": F.pad(small, (0, 48, 48, 0)), "larger": F.interpolate(portraits[:3], (300, 260)),
            "two": torch.cat([portraits[:4], portraits[4:8]], 3)}


@pytest.mark.parametrize("view", ["as they are", "dark", "noisy", "at the border", "larger", "two"])
def test_finds_what_facenet_pytorch_finds(portraits, view):
    images = views(portraits)[view]
    networks = MTCNN(min_face_size=40, device="cpu").eval()
    boxes, _, landmarks = networks.detect(((images + 1) * 127.5).permute(0, 2, 3, 1), landmarks=True)
    found, ours, points = BatchedMtcnn(networks).largest(images)
    expected = torch.tensor([b is not None and len(b) > 0 for b in boxes])
    assert torch.equal(found, expected) and expected.any()
    for i in expected.nonzero().flatten().tolist():
        of_image = torch.tensor(boxes[i].astype("float32"))
        largest = int((of_image[:, 2:] - of_image[:, :2]).prod(1).argmax())
        assert box_iou(of_image[largest][None], ours[i][None]).item() > 0.9
        assert (points[i] - torch.tensor(landmarks[i][largest].astype("float32"))).abs().max() < 2


@pytest.mark.parametrize("limit", [0.3, 0.5, 0.7])
def test_suppression_is_torchvisions_image_by_image(limit):
    generator = torch.Generator().manual_seed(0)
    corner = 40 * torch.rand(5, 60, 2, generator=generator)
    boxes = torch.cat([corner, corner + 5 + 20 * torch.rand(5, 60, 2, generator=generator)], 2)
    scores = torch.rand(5, 60, generator=generator).sort(descending=True).values
    scores[:, 50:] = NONE
    kept = Candidates(boxes, scores, boxes).apart(limit).scores > NONE
    for i in range(5):
        assert kept[i].nonzero().flatten().tolist() == sorted(nms(boxes[i, :50], scores[i, :50], limit).tolist())
        torch.testing.assert_close(overlaps(boxes)[i], box_iou(boxes[i], boxes[i]))


def test_a_crop_is_an_area_resampling_of_whole_pixels(portraits):
    boxes = torch.tensor([[[10.7, 20.2, 60.9, 71.0], [-8.0, 100.0, 40.0, 148.0], [200.0, 0.0, 240.0, 40.0]]])
    crops, is_inside = crop(portraits[:1], boxes, 24)
    assert is_inside.tolist() == [[True, True, False]]
    first = F.interpolate(portraits[:1, :, 19:71, 9:60], (24, 24), mode="area")[0]
    second = F.interpolate(portraits[:1, :, 99:128, 0:40], (24, 24), mode="area")[0]  # cut at the border, as theirs
    torch.testing.assert_close(crops[:2], torch.stack([first, second]), rtol=0, atol=1e-5)


def test_the_networks_look_where_there_are_candidates_and_find_what_they_find_everywhere(portraits, monkeypatch):
    images, looked_at = torch.cat([portraits[:8], torch.zeros(8, *portraits.shape[1:])]), []
    networks = MTCNN(min_face_size=40, device="cpu").eval()
    for network in (networks.rnet, networks.onet):
        network.register_forward_pre_hook(lambda _, given: looked_at.append(len(given[0])))
    of_those_there = BatchedMtcnn(networks).candidates(images)
    monkeypatch.setattr(mtcnn, "answers", lambda network, crops, found: network(crops))
    everywhere = BatchedMtcnn(networks).candidates(images)
    there = everywhere.scores > NONE
    assert torch.equal(of_those_there.scores > NONE, there) and there.any()
    for name in ("boxes", "scores", "extra"):
        ours, theirs = (getattr(found, name)[there] for found in (of_those_there, everywhere))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-2)
    assert looked_at[0] <= looked_at[2] / 2 and looked_at[1] <= looked_at[3] / 2, "half of the images are grey"


def test_no_candidate_at_all_is_no_face():
    assert not BatchedMtcnn(MTCNN(min_face_size=40, device="cpu").eval()).largest(torch.zeros(2, 3, 128, 128))[0].any()
