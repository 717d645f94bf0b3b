"""Settings: what there is (`schema`), and how it is loaded (`load`). Nothing else reads them."""
