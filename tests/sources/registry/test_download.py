"""Fetching against a server that is cut, slow, closed or wrong: what is said, and what stands under a final name."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from local_hub import serving

from anatomy.errors import DataError, FetchError
from anatomy.sources.registry.fetch import fetch_entry, git_digest
from anatomy.store.files import read_json

CONTENT = b"goal,target\n" + b"".join(b"Tell a tale of lamp %d,Sure\n" % n for n in range(20_000))
SHA = hashlib.sha256(CONTENT).hexdigest()
PATH = "/datasets/org/set/resolve/" + "a" * 40 + "/data/set.csv"
TOKEN = "hf_secretsecretsecret"


@pytest.fixture
def entry(make_entry):
    return make_entry([{"path": "data/set.csv", "sha256": SHA}])


@pytest.fixture
def served(hub):
    hub.put("org/set", "a" * 40, "data/set.csv", CONTENT)
    return hub


def final(data) -> Path:
    return Path(data.folder) / "set" / "data" / "set.csv"


def leftovers(data) -> list[str]:
    return sorted(path.name for path in final(data).parent.iterdir())


def refused(data, entry, error=FetchError):
    """The error of a fetch that leaves nothing under the final name."""
    with pytest.raises(error) as caught:
        fetch_entry(data, "set", entry)
    assert not final(data).exists()
    return caught.value


def test_a_file_is_fetched_once_and_recorded(served, data, entry):
    assert [one.origin for one in fetch_entry(data, "set", entry)] == ["network"]
    assert final(data).read_bytes() == CONTENT and leftovers(data) == ["set.csv"]
    record = read_json(Path(data.folder) / "set" / "fetched.json")
    assert record["revision"] == "a" * 40
    assert record["files"]["data/set.csv"] == {"sha256": SHA, "bytes": len(CONTENT), "from": "network"}
    assert [one.origin for one in fetch_entry(data, "set", entry)] == ["there"]
    assert len(served.requests(PATH)) == 1


def test_other_bytes_are_not_kept(served, data, entry):
    served.files[PATH] = CONTENT[:-2] + b"!\n"
    error = refused(data, entry, DataError)
    assert SHA in error.expected and "SHA-256" in error.found and "data/set.csv" in error.where
    assert leftovers(data) == []
    served.files[PATH] = CONTENT
    fetch_entry(data, "set", entry)
    assert final(data).read_bytes() == CONTENT


def test_truncated_content_is_told_by_its_digest(served, data, entry):
    served.files[PATH] = CONTENT[: len(CONTENT) // 2]
    assert f"{len(CONTENT) // 2} bytes" in refused(data, entry, DataError).found


def test_gits_digest_is_checked_too(served, data, make_entry, tmp_path):
    (tmp_path / "known").write_bytes(b"hello\n")
    assert git_digest(tmp_path / "known") == "ce013625030ba8dba906f756967f9e9ca394464a"
    entry = make_entry([{"path": "data/set.csv", "git_blob": "b" * 40}])
    assert "git blob" in refused(data, entry, DataError).found


def interrupt(text):
    """A person who stops the program when a download is cut."""
    if "trying again" in text:
        raise KeyboardInterrupt


def test_a_cut_download_goes_on_in_the_next_call(served, data, entry):
    served.cut[PATH] = 1
    with pytest.raises(KeyboardInterrupt):
        fetch_entry(data, "set", entry, interrupt)
    (part,) = leftovers(data)
    arrived = (final(data).parent / part).stat().st_size
    assert 0 < arrived < len(CONTENT) and not final(data).exists()
    fetch_entry(data, "set", entry)
    assert served.requests(PATH)[-1]["range"] == f"bytes={arrived}-"
    assert final(data).read_bytes() == CONTENT and leftovers(data) == ["set.csv"]


def test_a_cut_download_goes_on_within_one_call_too(served, data, entry):
    served.cut[PATH] = 3
    said = []
    fetch_entry(data, "set", entry, said.append)
    assert final(data).read_bytes() == CONTENT and any("trying again from byte" in line for line in said)
    assert len(served.requests(PATH)) == 4


def test_a_server_without_ranges_starts_over_and_is_given_up_when_it_gets_no_further(served, data, entry):
    served.cut[PATH], served.ranges = 2, False
    error = refused(data, entry)
    assert "it goes on from byte" in error.remedy and leftovers(data) == [".set.csv.part"]
    fetch_entry(data, "set", entry)
    assert "range" in served.requests(PATH)[-1] and final(data).read_bytes() == CONTENT


def test_a_whole_part_left_by_a_kill_is_taken_as_it_is(served, data, entry):
    part = final(data).with_name(".set.csv.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    fetch_entry(data, "set", entry)
    assert final(data).read_bytes() == CONTENT and len(served.requests(PATH)) == 1


def test_a_part_that_is_too_long_is_thrown_away(served, data, entry):
    part = final(data).with_name(".set.csv.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"more")
    fetch_entry(data.model_copy(update={"tries": 2}), "set", entry)
    assert final(data).read_bytes() == CONTENT


def test_a_gated_set_without_a_token_says_what_to_do(served, data, entry):
    served.status[PATH] = 401
    error = refused(data, entry.model_copy(update={"gating": "click-through"}))
    assert "no token" in error.found and "accept the licence at https://huggingface.co/datasets/org/set" in error.remedy
    assert "HF_TOKEN" in error.remedy
    assert "registry calls this set open" in refused(data, entry).expected


def test_a_token_that_is_not_let_in_is_never_shown(served, data, entry, monkeypatch, capsys, caplog):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    served.status[PATH] = 403
    said = []
    with pytest.raises(FetchError) as caught:
        fetch_entry(data, "set", entry, said.append)
    assert served.requests(PATH)[0]["authorization"] == f"Bearer {TOKEN}"
    assert "is not let in" in caught.value.found
    everything = [
        str(caught.value),
        repr(caught.value),
        *said,
        *capsys.readouterr(),
        caplog.text,
        *(path.read_text() for path in Path(data.folder).rglob("*.json")),
    ]
    assert not [text for text in everything if TOKEN in text]


def test_a_token_stays_with_the_hub_when_it_sends_elsewhere(served, data, entry, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving() as store:
        store.files["/blob"] = CONTENT
        served.moved[PATH] = f"{store.address}/blob"
        fetch_entry(data, "set", entry)
        assert "authorization" in served.requests(PATH)[0] and "authorization" not in store.requests("/blob")[0]
    assert final(data).read_bytes() == CONTENT


def test_what_is_not_there_is_named(served, data, entry):
    del served.files[PATH]
    error = refused(data, entry)
    assert "404" in error.found and PATH in error.where and "revision" in error.remedy
    assert leftovers(data) == []


def test_a_slow_server_is_given_up_after_the_configured_time(served, data, entry):
    served.delay = 2.0
    error = refused(data.model_copy(update={"timeout": 0.2}), entry)
    assert "nothing came for 0.2 s" in error.found and "data.timeout" in error.remedy


def test_no_server_at_all(data, make_entry):
    with serving() as gone:
        address = gone.address
    entry = make_entry([{"path": "set.csv", "sha256": SHA}], source={"url": address + "/{revision}"})
    error = refused(data, entry)
    assert "no connection" in error.found and "data.mirror" in error.remedy


def test_a_busy_server_is_asked_again(served, data, entry):
    served.status[PATH] = 503
    assert "503" in refused(data.model_copy(update={"tries": 3}), entry).found
    assert len(served.requests(PATH)) == 3


def test_plain_addresses_take_the_commit_and_no_token(hub, data, make_entry, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.files["/" + "a" * 40 + "/data/set.csv"] = CONTENT
    fetch_entry(data, "set", make_entry([{"path": "data/set.csv", "sha256": SHA}], source={"url": hub.address + "/{revision}"}))
    assert final(data).read_bytes() == CONTENT and "authorization" not in hub.asked[0][2]


def test_an_unknown_revision_must_be_allowed_and_is_recorded(hub, data, make_entry):
    place = hub.put("org/set", "main", "data/set.csv", CONTENT)
    entry = make_entry([{"path": "data/set.csv"}], revision=None, note="revision unknown")
    error = refused(data, entry)
    assert "no known revision" in error.found and "data.allow_unpinned" in error.remedy and hub.asked == []
    hub.cut[place] = 1
    data = data.model_copy(update={"allow_unpinned": True})
    with pytest.raises(KeyboardInterrupt):
        fetch_entry(data, "set", entry, interrupt)
    fetch_entry(data, "set", entry)
    assert "range" not in hub.requests(place)[-1], "another version may stand there by now"
    assert read_json(Path(data.folder) / "set" / "fetched.json")["revision"].startswith("c0ffee")


@pytest.mark.parametrize("name", ["data/set.csv", "set.csv"])
def test_a_mirror_stands_in_for_the_network(hub, data, entry, tmp_path, name):
    path = tmp_path / "mirror" / "set" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    data = data.model_copy(update={"mirror": str(tmp_path / "mirror"), "offline": True})
    assert [one.origin for one in fetch_entry(data, "set", entry)] == ["mirror"]
    assert final(data).read_bytes() == CONTENT and hub.asked == []


def test_a_mirror_with_other_bytes_is_refused(hub, data, entry, tmp_path):
    path = tmp_path / "mirror" / "set" / "set.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"goal\nother\n")
    error = refused(data.model_copy(update={"mirror": str(tmp_path / "mirror")}), entry, DataError)
    assert str(path) in error.where and hub.asked == []


def test_offline_nothing_is_asked_and_the_command_is_named(served, data, entry, monkeypatch):
    error = refused(data.model_copy(update={"offline": True}), entry)
    assert "snakemake prefetch" in error.remedy and "fetch set" in error.remedy and served.asked == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "offline" in refused(data, entry).found and served.asked == []


def test_a_set_that_must_be_got_by_hand_says_how(hub, data, make_entry):
    entry = make_entry([], note="Write to its authors; revision unknown.", revision=None, columns={}, label=None, gating="form")
    error = refused(data, entry)
    assert "Write to its authors" in error.remedy and hub.asked == []


def test_a_request_never_prints_its_headers(entry):
    from anatomy.sources.registry.download import Request

    assert TOKEN not in repr(replace(Request("http://x"), headers={"Authorization": TOKEN}))
