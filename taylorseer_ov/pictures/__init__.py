"""Pictures: what comes out of a generation, kept, drawn again, compared and shown on the way.

A result holds pixels and the report of them and saves them (`result`, `names`) in one of the
`formats`; inside, a recipe tells how to draw the same picture again (`recipe`), as one of the
`texts` in the chunks of a PNG file (`png`) or the Exif block of a JPEG or WebP file (`exif`).
`quality` measures how alike two pictures are (calibration judges latents itself) and `comparison`
shows it; `pairs` does so for two folders of them, and `pairs_page` shows them on a `page`. Previews
show a picture under way without the VAE (`preview`), by a map from latents to colours
(`preview_map`) that is fitted to a model once (`preview_fit`).

May import `generation`, `caching`, `flux` and the ground. What draws is handed in: this room asks
for it by small protocols and knows no pipeline.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
