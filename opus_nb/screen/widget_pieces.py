"""What the widget views share: buttons that cannot fail unseen, and how a widget is put on the page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from opus_nb.screen.environment import read_signs

__all__ = ["FORM_STYLE", "action_button", "show_controls", "show_widget", "widget_bundle"]

_log = logging.getLogger("opus_nb")

FORM_STYLE = (
    "<style>"
    ".opus-nb-form .widget-inline-hbox{flex-direction:column;align-items:stretch;height:auto}"
    ".opus-nb-form .widget-label{width:auto!important;max-width:none;text-align:left;height:auto;font-weight:600;"
    "overflow:visible;white-space:normal;line-height:1.5}"
    ".opus-nb-form .widget-inline-hbox>select,.opus-nb-form .widget-inline-hbox>input{flex:0 0 auto;height:30px;"
    "width:100%;max-width:100%;box-sizing:border-box}"
    ".opus-nb-form .widget-inline-hbox>textarea{flex:0 0 auto;height:auto;width:100%;box-sizing:border-box}"
    ".opus-nb-form .widget-dropdown,.opus-nb-form .widget-text,.opus-nb-form .widget-textarea{margin-bottom:0}"
    ".opus-nb-form .opus-nb-label{font-weight:600}"
    # The arrow that comes with drop-downs is black in every theme.
    'body[data-jp-theme-light=false] .opus-nb-form .widget-dropdown>select{background-image:url("data:image/svg+xml,'
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E%3Cpath fill='none' stroke='%23ddd' "
    "stroke-width='2' d='M5 7l4 4 4-4'/%3E%3C/svg%3E\")}"
    # The number that the upload button adds says nothing: the file's name and size stand below.
    ".opus-nb-form .opus-nb-upload{font-size:0}.opus-nb-form .opus-nb-upload i{font-size:13px;margin-right:4px}"
    '.opus-nb-form .opus-nb-upload::after{content:"Upload";content:"Upload" / "";font-size:13px}'
    '.opus-nb-form .opus-nb-uploads::after{content:"Upload files";content:"Upload files" / ""}'
    ".opus-nb-form>.widget-html:first-child{margin-bottom:10px}"
    ".opus-nb-form .opus-nb-help{opacity:.78;font-size:12px;line-height:1.4;display:block;max-width:620px}"
    ".opus-nb-form .opus-nb-problem{border-left:3px solid var(--jp-error-color1,#d32f2f);padding-left:8px;"
    "line-height:1.4;display:block;max-width:620px}"
    ".opus-nb-form .opus-nb-object{border-left:2px solid rgba(128,128,128,.4);padding-left:12px}"
    ".opus-nb-form input:focus-visible,.opus-nb-form select:focus-visible,.opus-nb-form textarea:focus-visible,"
    ".opus-nb-form button:focus-visible{outline:2px solid var(--jp-brand-color1,#1976d2);outline-offset:1px}"
    "</style>"
)


def action_button(label: str, meaning: str, action: Callable[[], None], *, icon: str = "", style: str = "") -> Any:
    """Make a button that calls ``action``; what that raises is logged, as the kernel would swallow it.

    Parameters
    ----------
    label : str
        What stands on it.
    meaning : str
        Its tooltip.
    action : callable
        Takes nothing; may run on any thread that the kernel serves widgets on.
    icon : str
        A Font Awesome 4 name.
    style : str
        One of the button styles of ipywidgets.

    Returns
    -------
    ipywidgets.Button
    """
    import ipywidgets as widgets

    button = widgets.Button(
        description=label, tooltip=meaning, icon=icon, button_style=style, layout=widgets.Layout(width="auto")
    )

    def pressed(_: Any) -> None:
        try:
            action()
        except Exception:
            _log.exception("the button %r could not do its work", label)

    button.on_click(pressed)
    return button


def widget_bundle(widget: Any, *, html: str, text: str) -> dict[str, Any]:
    """Return what to display for a widget: its view, and what stands there where it cannot be shown."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {"application/vnd.jupyter.widget-view+json": view, "text/html": html, "text/plain": text}


def show_widget(widget: Any, *, html: str, text: str, display_id: str | None = None) -> None:
    """Display a widget with its fallbacks, in a form that ipywidgets 7 and 8 share."""
    from IPython.display import display

    display(widget_bundle(widget, html=html, text=text), raw=True, display_id=display_id)


def show_controls(widget: Any, *, html: str, text: str) -> None:
    """Display something to fill in; where nobody is there to do so (runners of notebooks), its words alone.

    What such a notebook is exported to would try to draw the widget, and mostly show nothing in its place.
    """
    if read_signs().stdin_allowed:
        show_widget(widget, html=html, text=text)
        return
    from IPython.display import display

    display({"text/html": html, "text/plain": text}, raw=True)
