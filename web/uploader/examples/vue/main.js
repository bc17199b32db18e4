// The compiler is told which names are no components: `template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith("gantry-") } }`.
import { createApp } from "vue";
import Upload from "./Upload.vue";

createApp(Upload, { onReady: (asset) => console.log("ready", asset.id) }).mount("#app");
