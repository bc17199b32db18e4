import { mount } from "svelte";
import Upload from "./Upload.svelte";

mount(Upload, { target: document.getElementById("app"), props: { onready: (asset) => console.log("ready", asset.id) } });
