// As the sources are, without a build step. With a bundler: import "@gantry/uploader/element".
import "../../src/element/index.js";
import { grantFor } from "../grant.js";

const [uploader] = document.getElementsByTagName("gantry-uploader");
uploader.tokenProvider = grantFor;
uploader.addEventListener("gantry-ready", ({ detail }) => console.log("ready", detail.asset.id));
