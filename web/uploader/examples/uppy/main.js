// Uppy 6 with the same grants: each file goes to the address of its own.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import { openUpload } from "../grant.js";

const uppy = new Uppy({ autoProceed: true }).use(Tus, { endpoint: "https://files.example/tus" });
uppy.addPreProcessor((ids) => Promise.all(ids.map(async (id) => {
  const { endpoints } = await openUpload({ file: uppy.getFile(id) });
  uppy.setFileState(id, { tus: { endpoint: endpoints.tus } });
})));
uppy.on("upload-success", (file) => console.log("ready", file?.name));

const input = /** @type {HTMLInputElement} */ (document.getElementById("files"));
input.addEventListener("change", () => uppy.addFiles([...input.files ?? []].map((data) => ({ name: data.name, type: data.type, data }))));
