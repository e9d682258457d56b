"""A project in which nothing has run, as the tests of the workflow have it."""

from tests.workflow.conftest import fresh as fresh
