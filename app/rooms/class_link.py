"""How students come to a class: its link, and the same as a code for their telephones."""

from urllib.parse import urlencode, urlsplit

import segno
from gradio.context import LocalContext
from markupsafe import Markup

from app.html.fragment import fragment

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def page_address() -> str:
    """Where who asks now sees this page, without what is behind the question mark; empty outside of a request."""
    request = LocalContext.request.get(None)
    address = urlsplit(request.headers.get("referer") or "" if request else "")
    return f"{address.scheme}://{address.netloc}{address.path}" if address.scheme in ("http", "https") else ""


def head(name: str, teaches: bool, address: str) -> str:
    """Which class this is; to its teacher, how students join it."""
    link = f"{address}?{urlencode({'class': name})}"
    code = Markup(segno.make(link, micro=False).svg_inline(scale=4, border=2, light="#fff")) if teaches and address else ""
    return fragment("class_head", name=name, teaches=teaches, link=link, code=code,
                    only_here=urlsplit(address).hostname in THIS_MACHINE)
