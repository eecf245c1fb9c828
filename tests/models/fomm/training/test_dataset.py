from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

torch = pytest.importorskip("torch")

from models.errors import UserError  # noqa: E402
from models.fomm.training.dataset import (  # noqa: E402
    ClipFolder,
    DataParams,
    FramePairs,
    WholeClips,
    random_pairs,
    read_pairs,
    split,
)
from models.fomm.training.frame_cache import FrameCache  # noqa: E402
from models.fomm.training.frames import read_clip  # noqa: E402
from tests.clips import write_pictures  # noqa: E402

SIDE = 32


def pictures(count: int, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Frames whose every pixel is the number of the frame, but for a seeded corner."""
    frames = np.zeros((count, side, side, 3), np.uint8)
    frames += (10 * np.arange(count, dtype=np.uint8))[:, None, None, None]
    frames[:, :8, :8] = np.random.default_rng(seed).integers(0, 255, (8, 8, 3))
    return frames


def folder_clip(path: Path, frames: np.ndarray) -> Path:
    path.mkdir(parents=True)
    for i, frame in enumerate(frames):
        PIL.Image.fromarray(frame).save(path / f"{i}.png")
    return path


def params(root: Path, **more: Any) -> dict[str, Any]:
    return {"root_dir": str(root), "frame_shape": [SIDE, SIDE, 3], **more}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(4):
        folder_clip(tmp_path / "data" / f"p{i}#{i}.mp4", pictures(12, i))
    return tmp_path / "data"


def test_all_kinds_of_clips_give_the_same_frames(tmp_path: Path) -> None:
    frames = pictures(12)
    shape = (SIDE, SIDE)
    folder = read_clip(folder_clip(tmp_path / "folder", frames), shape)
    assert (folder == frames).all()  # In the order of the numbers, not of the letters.
    strip = tmp_path / "strip.png"
    PIL.Image.fromarray(np.concatenate(list(frames), 1)).save(strip)
    assert (read_clip(strip, shape) == frames).all()
    gif = tmp_path / "clip.gif"
    first, *rest = (PIL.Image.fromarray(frame) for frame in frames)
    first.save(gif, save_all=True, append_images=rest, duration=40)
    assert np.abs(read_clip(gif, shape).astype(int) - frames).mean() < 4
    video = read_clip(write_pictures(tmp_path / "clip.mp4", list(frames)), shape)
    assert video.shape == frames.shape
    assert np.abs(video[:, 16:, 16:].astype(int) - frames[:, 16:, 16:]).mean() < 4


def test_grey_alpha_and_sixteen_bits_become_rgb(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    grey = np.full((SIDE, SIDE), 100, np.uint8)
    PIL.Image.fromarray(grey).save(folder / "0.png")
    PIL.Image.fromarray(np.dstack([grey] * 3 + [grey // 2])).save(folder / "1.png")
    PIL.Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "2.png")
    assert (read_clip(folder, (SIDE, SIDE)) == 100).all()


def test_what_cannot_be_used_is_named_in_a_sentence(tmp_path: Path) -> None:
    shape = (SIDE, SIDE)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 50)
    with pytest.raises(UserError, match=r"broken\.mp4 cannot be read"):
        read_clip(broken, shape)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no frames"):
        read_clip(tmp_path / "empty", shape)
    PIL.Image.fromarray(pictures(1)[0][:, :20]).save(tmp_path / "strip.png")
    with pytest.raises(UserError, match="no row of frames of 32 x 32"):
        read_clip(tmp_path / "strip.png", shape)
    with pytest.raises(UserError, match="no folder of clips"):
        ClipFolder(DataParams.of(params(tmp_path / "nowhere")), "train")
    (tmp_path / "none" / "train").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no clips"):
        ClipFolder(DataParams.of(params(tmp_path / "none")), "train")
    folder_clip(tmp_path / "one" / "a", pictures(3))
    with pytest.raises(UserError, match="only one clip"):
        FramePairs(params(tmp_path / "one"))


@pytest.mark.parametrize(
    ("frames", "says"), [(pictures(1), "only 1 frame"), (pictures(3, side=40), "is 40 x 40 pixels")]
)
def test_too_few_frames_and_other_sizes_are_found_before_training(
    root: Path, frames: np.ndarray, says: str
) -> None:
    folder_clip(root / "train" / "bad", frames)
    with pytest.raises(UserError, match=says):
        FramePairs(params(root)).prepare()


def test_the_split_is_the_same_on_every_machine_and_complete(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = split(root, "train", True, 3)[1], split(root, "test", True, 3)[1]
    assert sorted(train + test) == sorted(one.name for one in root.iterdir())
    assert len(test) == 1 and not set(train) & set(test)
    listing = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(listing(self), reverse=True)))
    assert split(root, "train", True, 3)[1] == train
    tests = {split(root, "test", True, seed)[1][0] for seed in range(20)}
    assert len(tests) > 1


def test_no_person_is_in_both_parts(tmp_path: Path) -> None:
    for i in range(6):
        folder_clip(tmp_path / f"p{i % 3}#{i}.mp4", pictures(2))
    parts = [split(tmp_path, part, True, 0)[1] for part in ("train", "test")]
    people = [{name[:2] for name in names} for names in parts]
    assert not people[0] & people[1] and len(people[1]) == 1


def test_a_pair_is_two_frames_of_one_clip_in_order(root: Path) -> None:
    pairs = FramePairs(params(root), repeats=5)
    assert len(pairs) == 15
    gaps = []
    for i in range(len(pairs)):
        item = pairs[i]
        source, driving = item["source"], item["driving"]
        assert source.shape == driving.shape == (3, SIDE, SIDE)
        assert source.dtype == torch.float32 and item["name"] in pairs.clips.names
        frames = [float(one[0, -1, -1]) * 25.5 for one in (source, driving)]
        assert all(abs(one - round(one)) < 1e-4 for one in frames)
        assert torch.equal(source[:, :8, :8], driving[:, :8, :8])
        gaps.append(frames[1] - frames[0])
    assert min(gaps) >= 0 and len(set(gaps)) > 3


def test_ids_are_drawn_by_their_whole_name(tmp_path: Path) -> None:
    for name in ("a#1.mp4", "a#2.mp4", "a1#1.mp4", "b#1.mp4"):
        folder_clip(tmp_path / "train" / name, pictures(3))
    pairs = FramePairs(params(tmp_path, id_sampling=True), repeats=30)
    assert len(pairs) == 90
    drawn = [pairs[3 * i]["name"] for i in range(30)]
    assert set(drawn) == {"a#1.mp4", "a#2.mp4"}
    assert {pairs[1]["name"], pairs[2]["name"]} == {"a1#1.mp4", "b#1.mp4"}


def test_pairs_depend_on_seed_and_epoch_not_on_the_workers(root: Path) -> None:
    config = params(root, augmentation_params={"flip_param": {"time_flip": True}})
    alone = FramePairs(config, seed=5, repeats=4)
    alone.set_epoch(2)
    pairs = FramePairs(config, seed=5, repeats=4)
    loader = torch.utils.data.DataLoader(
        pairs, batch_size=3, num_workers=2, persistent_workers=True
    )
    first = torch.cat([batch["driving"] for batch in loader])
    pairs.set_epoch(2)
    second = torch.cat([batch["driving"] for batch in loader])
    assert torch.equal(second, torch.stack([alone[i]["driving"] for i in range(len(alone))]))
    assert not torch.equal(first, second)
    other = FramePairs(config, seed=6, repeats=4)
    other.set_epoch(2)
    assert not torch.equal(second, torch.stack([other[i]["driving"] for i in range(len(other))]))


def test_a_cached_clip_is_the_same_and_not_decoded_again(root: Path, tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    pairs = FramePairs(params(root), cache=cache, repeats=3)
    plain = FramePairs(params(root), repeats=3)
    assert pairs.prepare() == 36
    expected = [plain[i]["source"] for i in range(len(plain))]
    for name in pairs.clips.names:  # What is cached does without what a clip is made of.
        for frame in (root / name).iterdir():
            frame.write_bytes(b"")
    assert all(torch.equal(pairs[i]["source"], expected[i]) for i in range(len(pairs)))
    with pytest.raises(UserError, match="cannot be read"):
        FramePairs(params(root), cache=cache).prepare()


def test_a_changed_clip_is_decoded_anew_and_a_broken_file_replaced(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    strip = tmp_path / "strip.png"
    for frames in (pictures(2, 1), pictures(3, 2)):
        PIL.Image.fromarray(np.concatenate(list(frames), 1)).save(strip)
        for _ in range(2):
            assert (cache.clip(strip, (SIDE, SIDE)) == frames).all()
    place = cache.place(strip, (SIDE, SIDE))
    os.truncate(place, 200)
    assert (cache.clip(strip, (SIDE, SIDE)) == frames).all()
    assert not list(cache.folder.glob("*.tmp"))


def test_the_cache_keeps_its_bound_and_drops_what_no_one_wants(root: Path, tmp_path: Path) -> None:
    one = 12 * SIDE * SIDE * 3 + 128
    cache = FrameCache(tmp_path / "cache", 3 * one)
    pairs = FramePairs(params(root), cache=cache)
    pairs.prepare()
    assert 0 < cache.size() <= cache.limit
    assert len(list(cache.folder.glob("*.npy"))) == 2  # The third would need its head as well.
    assert pairs[2]["source"].shape == (3, SIDE, SIDE)
    wanted = list(cache.folder.glob("*.npy"))[:1]
    cache.drop_all_but(wanted, 3 * one)
    assert list(cache.folder.glob("*.npy")) == wanted


def test_whole_clips_are_for_reconstruction(root: Path) -> None:
    clips = WholeClips(params(root))
    assert len(clips) == 1
    item = clips[0]
    assert item["video"].shape == (3, 12, SIDE, SIDE)
    assert float(item["video"][0, 3, -1, -1]) == np.float32(30) / np.float32(255)


def test_lists_of_pairs_are_read_and_absent_names_told(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("distance,source,driving,frame\n0.1,a,b,0\n0.2,a,x,3\n0.3,b,a,1\n")
    assert read_pairs(path, "ab", "ab") == ([("a", "b"), ("b", "a")], ["x"])
    assert read_pairs(path, "ab", "ab", 1)[0] == [("a", "b")]
    path.write_text("one,two\n1,2\n")
    with pytest.raises(UserError, match="lacks the columns"):
        read_pairs(path, "ab", "ab")
    path.write_text("source,driving\nq,r\n")
    with pytest.raises(UserError, match="No pair"):
        read_pairs(path, "ab", "ab")
    drawn = random_pairs("abc", "abc", 5)
    assert len(set(drawn)) == 5 and drawn == random_pairs("abc", "abc", 5)


def test_still_and_few_clips_are_warned_of(tmp_path: Path) -> None:
    for i in range(2):
        folder_clip(tmp_path / "train" / str(i), np.repeat(pictures(1), 3, 0) if i else pictures(3))
    warnings = ClipFolder(DataParams.of(params(tmp_path)), "train").warnings()
    assert len(warnings) == 2 and "Few clips (2)" in warnings[0] and "moves in 1:" in warnings[1]
