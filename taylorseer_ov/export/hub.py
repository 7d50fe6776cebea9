"""The hub's public names, for those who know them from here; what they do is in `flux.hub`."""

from ..flux.hub import HubError as HubError
from ..flux.hub import download_exported as download_exported
from ..flux.hub import is_hub_id as is_hub_id
