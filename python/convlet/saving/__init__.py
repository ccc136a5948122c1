"""Reading and writing models in Keras's file formats."""
