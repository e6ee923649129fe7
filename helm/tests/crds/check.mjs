// Holds custom resources to their schemas: values by the models' own rules, unknown keys by their types.
// Reads a JSON list of manifests on standard input; prints one line per fault; status 1 where there is one.
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const HOMES = {
  "cert-manager.io": "cert-manager",
  "gateway.envoyproxy.io": "envoy-gateway",
  "gateway.networking.k8s.io": "gateway-api",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
  "traefik.io": "traefik",
};

const manifests = JSON.parse(readFileSync(0, "utf8"));
const faults = [];

function moduleOf(manifest) {
  const group = manifest.apiVersion.split("/")[0];
  if (!HOMES[group]) throw new Error(`no schema for ${manifest.apiVersion} ${manifest.kind}`);
  return `@kubernetes-models/${HOMES[group]}/${manifest.apiVersion}/${manifest.kind}`;
}

async function holdToRules(manifest) {
  const Kind = (await import(moduleOf(manifest)))[manifest.kind];
  try {
    new Kind(manifest).validate();
  } catch (error) {
    faults.push(`${manifest.kind}: ${error.message}`);
  }
}

// An object literal with a key that its type does not have is an error: what `strict` is to YAML.
function holdToTypes(folder) {
  const file = join(folder, "manifests.ts");
  const lines = manifests.map((manifest, at) => {
    const kind = `I${manifest.kind}`;
    const held = JSON.stringify(manifest, null, 1);
    return `import type { ${kind} as K${at} } from "${moduleOf(manifest)}";\nexport const m${at}: K${at} = ${held};`;
  });
  writeFileSync(file, lines.join("\n"));
  const program = ts.createProgram([file], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: [],
  });
  for (const found of ts.getPreEmitDiagnostics(program))
    faults.push(ts.flattenDiagnosticMessageText(found.messageText, "\n"));
}

for (const manifest of manifests) await holdToRules(manifest);
const folder = mkdtempSync(join(import.meta.dirname, "check-"));
try {
  holdToTypes(folder);
} finally {
  rmSync(folder, { recursive: true });
}
for (const fault of faults) console.log(fault);
process.exit(faults.length ? 1 : 0);
