"""Chat models that are asked: with weights that lie here (``local``), or behind an API (``endpoint``)."""
