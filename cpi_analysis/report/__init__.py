"""The reproduced study: pipeline, tables, figures, page and manifest."""
