// What the page does in the browser: functions that the components' `js` and `js_on_load` call by name.

// A message at the top of the page is of no use to someone who pressed a button further down.
function showBanner() {
  setTimeout(() => document.querySelector('#banner .alert')?.scrollIntoView({block: 'nearest'}), 200);
}

function putInAddress(parts) {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(parts))
    if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
  window.history.replaceState({}, '', url);
  tellHub();
  return link().href;
}

// This page's address without what a Space's frame puts in for itself (its theme, and the key of a private Space).
function link() {
  const url = new URL(window.location.href);
  for (const name of [...url.searchParams.keys()]) if (name.startsWith('__')) url.searchParams.delete(name);
  return url;
}

const isFramed = () => window.parent !== window;

// A Space's page is in a frame of the hub's, whose address the visitor sees: the hub takes over what it is told.
// https://huggingface.co/docs/hub/spaces-handle-url-parameters
function tellHub() {
  if (isFramed()) window.parent.postMessage({queryString: link().searchParams.toString(), hash: ''}, 'https://huggingface.co');
}
tellHub();

// The job's id in the address: a refresh, a bookmark or a second tab finds the job again. In a frame that nobody but
// its own page can reload with an address, this browser keeps it: what is returned.
function rememberJob(id) {
  showBanner();
  putInAddress({job: id});
  return isFramed() ? id : '';
}

// The class, and the key of its teacher, stay in the address: a reload or a bookmark comes back to it.
function rememberClass(name, key) {
  putInAddress({class: name, teacher: key});
}

function saveFile(text) {
  showBanner();
  if (!text) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'application/yaml'}));
  link.download = 'finetune-settings.yaml';
  link.click();
  URL.revokeObjectURL(link.href);
}

// Returned for the field below the button: where the clipboard is refused, it can still be copied by hand.
async function copyLink(token) {
  showBanner();
  if (!token) return '';
  const address = putInAddress({job: '', settings: token});
  const note = document.querySelector('#loaded-note .note');
  try {
    await navigator.clipboard.writeText(address);
    note.textContent = 'Link copied: it opens this page with these settings.';
  } catch {
    note.textContent = 'Copy the link below: it opens this page with these settings.';
  }
  return address;
}

// The address that opens this page with these runs side by side; where the clipboard is refused, it is in the field.
async function copyRuns(runs) {
  const address = putInAddress({job: '', settings: '', runs: (runs || []).join(',')});
  try { await navigator.clipboard.writeText(address); } catch { /* the field below holds it */ }
  return address;
}

// A pair of pictures pressed: shown large until pressed again, or Escape.
function enlarge(element) {
  element.addEventListener('click', (event) => {
    const pair = event.target.closest('.pair');
    if (!pair) return;
    const dialog = document.createElement('dialog');
    dialog.className = 'enlarged';
    dialog.append(pair.cloneNode(true));
    dialog.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => dialog.remove());
    element.append(dialog);
    dialog.showModal();
  });
}

// A link within the page, without a trace in the address that holds the job.
function goToStep(element) {
  element.addEventListener('click', (event) => {
    if (!event.target.hash) return;
    event.preventDefault();
    document.querySelector(event.target.hash).scrollIntoView();
  });
}

// The slider's two pictures have no words of their own: those below it are given to them.
function tellPair(element) {
  const tell = () => document.querySelectorAll('#slider img').forEach((image, side) => {
    image.alt = (side ? 'Debiased. ' : 'Original. ') + element.innerText;
  });
  for (const changing of [element, document.querySelector('#slider')])
    new MutationObserver(tell).observe(changing, {childList: true, subtree: true, characterData: true});
  tell();
}
