"""`jupyter uml doctor`: what this machine can run, what is wrong with it, and the remedy."""

from jupyter_uml.commands.doctor.app import DoctorApp

__all__ = ["DoctorApp"]
