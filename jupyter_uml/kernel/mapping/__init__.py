"""What `jupyter_uml.map` is made of: a template, the rows, how they are asked, what is kept, and the columns."""
