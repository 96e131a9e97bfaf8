"""A run as a repository on the Hugging Face hub, with the token of whoever publishes it."""

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import validate_repo_id

from fairness_core.errors import UserError
from fairness_core.runs.bundle import contents
from fairness_core.runs.folder import RunFolder

TOKENS_PAGE = "https://huggingface.co/settings/tokens"


class HubError(UserError):
    """A run that cannot be published; the message says what to change, and never holds the token."""


def push(folder: RunFolder, repo_id: str, token: str, private: bool = True) -> str:
    """Publishes what `bundle` zips as a model repository, in one commit, and returns its address.

    repo_id: "owner/name", made when it is not there (private or public; one that is there stays what it is).
    token: with write access; it is handed to the hub in this call's headers and kept nowhere.
    Raises HubError for a name or token that the hub refuses or a hub that cannot be reached, RunError without an adapter.
    """
    repo_id, token = str(repo_id or "").strip(), str(token or "").strip()
    check_name(repo_id)
    if not token:
        raise HubError(f"Paste a token with write access first: {TOKENS_PAGE} makes one.")
    operations = [CommitOperationAdd(name, part) for name, part in contents(folder).items()]
    api = HfApi(token=token)
    try:
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        api.create_commit(repo_id, operations, commit_message=f"Adapter of run {folder.path.name}")
    except HfHubHTTPError as error:
        raise HubError(refusal(error, repo_id).replace(token, "…")) from None  # its request holds the token
    except (HTTPError, OSError) as error:
        raise HubError(f"The hub cannot be reached from this machine ({type(error).__name__}): "
                       "download the archive and upload it from another.") from None
    return str(address)


def check_name(repo_id: str) -> None:
    """Raises HubError for anything but "owner/name" in the hub's letters."""
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        repo_id = ""
    if repo_id.count("/") != 1:
        raise HubError("Type the repository as your-name/its-name: letters, digits, and - _ . between them.")


def refusal(error: HfHubHTTPError, repo_id: str) -> str:
    """What the hub's answer means for people."""
    status = error.response.status_code
    if status == 401:
        return f"The hub does not know this token: make one with write access at {TOKENS_PAGE}."
    if status == 403:
        return f"This token may not write to {repo_id}: use your own name before the slash, and a token with write access."
    return f"The hub refused with {status}: {error.server_message or 'it gave no reason'}. Nothing was changed here."
