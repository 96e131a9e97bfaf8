"""Puts the app on a Hugging Face Space: python -m app.deploy owner/name, or make space-deploy SPACE=owner/name

Uploads what a Space needs and nothing else: no tests, no benchmarks, not how the built-in model was made.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HTTPError

from fairness_core.runs.hub import HubError, check_name, refusal

ROOT = Path(__file__).resolve().parent.parent
ROOMS, FILES = ("app", "fairness_core", "assets"), ("app.py", "requirements.txt", "README.md", "LICENSE")
LEFT_OUT = ("__pycache__", "*.pyc", ".*")
# For those who go on with git in the Space's own repository: the hub takes binary files in its large-file storage alone,
# whatever their size. It lies in no checkout of this project, which would then need git-lfs for a plain commit.
ATTRIBUTES = "".join(f"*.{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in ("safetensors", "webp", "png"))


def gather(folder: Path, project: Path | None = None) -> list[Path]:
    """Copies what a Space needs into a folder, and returns the files there. project: another checkout than this one."""
    project = project or ROOT
    for room in ROOMS:
        shutil.copytree(project / room, folder / room, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in FILES:
        shutil.copy(project / name, folder)
    (folder / ".gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def deploy(folder: Path, space: str, token: str, private: bool) -> str:
    """Uploads a gathered folder as it is, in one commit, and returns the Space's address. What the Space has in the same
    rooms beside that is removed from it.

    Raises HubError for a name or token that the hub refuses, or a hub that cannot be reached.
    """
    api = HfApi(token=token)
    try:
        address = api.create_repo(space, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        api.upload_folder(repo_id=space, repo_type="space", folder_path=folder, commit_message="The app",
                          delete_patterns=[f"{room}/*" for room in ROOMS])
    except HfHubHTTPError as error:
        raise HubError(refusal(error, space).replace(token, "…")) from None
    except (HTTPError, OSError) as error:
        raise HubError(f"The hub cannot be reached from this machine ({type(error).__name__}): try again later.") from None
    return str(address)


def listing(folder: Path, files: list[Path]) -> str:
    """Every file with its size, and their sum."""
    sizes = [path.stat().st_size for path in files]
    lines = [f"{size:>12,}  {path.relative_to(folder).as_posix()}" for size, path in zip(sizes, files)]
    return "\n".join([*lines, f"{len(files)} files, {sum(sizes) / 1e6:.1f} MB"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m app.deploy", description=__doc__.splitlines()[0])
    parser.add_argument("space", nargs="?", default="", help="owner/name; made when it is not there")
    parser.add_argument("--dry-run", action="store_true", help="list the files and their sum, and upload nothing")
    parser.add_argument("--private", action="store_true", help="make a new Space private")
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            files = gather(Path(scratch))
            if given.dry_run:
                print(listing(Path(scratch), files))
                return 0
            check_name(given.space)
            if not (token := get_token()):
                raise HubError("Log in first: run hf auth login, or set HF_TOKEN to a token with write access.")
            print(f"Uploading {listing(Path(scratch), files).splitlines()[-1]} ...", flush=True)
            print(deploy(Path(scratch), given.space, token, given.private))
    except HubError as error:
        print("error:", error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
