"""Numbers and times as a person would say them."""

from datetime import datetime

MOST_DAYS_IN_HOURS = 2


def duration(seconds: float) -> str:
    """Rounded as a person would say it: "40 s", "3 min", "1 h 20 min", "5 days"."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    days = round(minutes / (24 * 60))
    if days < MOST_DAYS_IN_HOURS:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{days} days" if days < 365 else "more than a year"


def friendly_time(stamp: str) -> str:
    """ "23 Nov, 20:41" of an ISO time; the stamp itself when it is none."""
    try:
        return f"{datetime.fromisoformat(stamp):%-d %b, %H:%M}"
    except ValueError:
        return stamp


def friendly_day(stamp: str) -> str:
    """ "23 Nov 2026" of an ISO time or date; the stamp itself when it is none."""
    try:
        return f"{datetime.fromisoformat(stamp):%-d %b %Y}"
    except ValueError:
        return stamp
