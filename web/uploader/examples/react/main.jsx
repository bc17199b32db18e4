import { createRoot } from "react-dom/client";
import "@gantry/uploader/element";
import { grantFor } from "../grant.js";

function Upload({ onReady }) {
  return <gantry-uploader endpoint="https://files.example" tokenProvider={grantFor} ongantry-ready={({ detail }) => onReady(detail.asset)} />;
}

createRoot(document.getElementById("app")).render(<Upload onReady={(asset) => console.log("ready", asset.id)} />);
