"""The CT viewer of the page: Cornerstone3D prebuilt into one file, wrapped as a Streamlit component.

`viewer` shows one case with its tools, `thumbs` a row of small linked ones; both fetch their voxels from `routes`.
docs/viewer.md explains the contract, the keys and how the file under assets/viewer is built.
"""

from dashboard.viewer.component import Event, Overlay, describe, thumbs, viewer
from dashboard.viewer.voxels import routes

__all__ = ["Event", "Overlay", "describe", "routes", "thumbs", "viewer"]
