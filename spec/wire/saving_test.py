"""The ways in which files of a tenant come to change: each is seen without being told."""
import json
import os
import shutil
import tempfile
import unittest

from harness import GatewayCase, wait_for

TENANT = "return { models = { %s = { alias = 'm' } } }"


class Saving(GatewayCase):
    uses_mock = False

    @classmethod
    def configuration(cls):
        cls.root = tempfile.mkdtemp(prefix="gateyes-saving-")
        cls.folder = os.path.join(cls.root, "default")
        os.makedirs(cls.folder)
        return {"tenants": cls.root, "workers": 2, "models": {"m": {"targets": ["o/m"]}},
                "providers": {"o": {"adapter": "openai", "base_url": "http://127.0.0.1:1/v1"}}}

    @classmethod
    def end(cls):
        super().end()
        shutil.rmtree(cls.root)

    def setUp(self):
        self.clear()

    def clear(self):
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.remove(path)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode="w"):
        with open(self.path(name), mode, encoding="utf-8") as file:
            file.write(text)

    def wait_model(self, name):
        def is_there():
            with self.gateway.client() as client:
                reply = client.get("/v1/models")
            return name in [m["id"] for m in json.loads(reply.body)["data"]]
        wait_for(is_there, 10, "the model " + name)

    def test_in_place(self):
        for name in ("first", "second"):
            self.write("tenant.lua", TENANT % name)
            self.wait_model(name)

    def test_in_halves(self):
        text = TENANT % "whole"
        self.write("tenant.lua", text[:20])
        wait_for(lambda: "default/tenant.lua:1" in self.gateway.process_log(), 10, "that the half is refused")
        self.write("tenant.lua", text[20:], "a")
        self.wait_model("whole")

    def test_by_renaming(self):
        for name in ("renamed", "again"):
            self.write(".tenant.lua.swp", TENANT % name)
            if os.path.exists(self.path("tenant.lua")):
                os.rename(self.path("tenant.lua"), self.path("tenant.lua~"))  # as vim keeps a copy
            os.rename(self.path(".tenant.lua.swp"), self.path("tenant.lua"))
            self.wait_model(name)

    def test_by_a_link_that_moves(self):
        """As Kubernetes changes a ConfigMap: the files are links through ..data, which moves in one step."""
        for name in ("mounted", "moved"):
            os.makedirs(self.path(".." + name))
            self.write("..%s/tenant.lua" % name, TENANT % name)
        os.symlink("..mounted", self.path("..data"))
        os.symlink("..data/tenant.lua", self.path("tenant.lua"))
        self.wait_model("mounted")
        os.symlink("..moved", self.path("..data_tmp"))
        os.rename(self.path("..data_tmp"), self.path("..data"))
        self.wait_model("moved")


if __name__ == "__main__":
    unittest.main()
