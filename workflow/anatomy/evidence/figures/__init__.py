"""One Altair chart a module: `draw(tables...)` returns a chart, from tables alone and without a model."""
