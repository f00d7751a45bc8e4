"""Was it delivered as meant: reliability of the fidelity questionnaire, agreement of its sources."""
