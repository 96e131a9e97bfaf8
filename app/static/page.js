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
  return url.href;
}

// The job's id in the address: a refresh, a bookmark or a second tab finds the job again.
function rememberJob(id) {
  showBanner();
  putInAddress({job: id});
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

// Into the address first: where the clipboard is refused, the address can still be copied by hand.
async function copyLink(token) {
  showBanner();
  if (!token) return;
  const address = putInAddress({job: '', settings: token});
  const note = document.querySelector('#loaded-note .note');
  try {
    await navigator.clipboard.writeText(address);
    note.textContent = 'Link copied: it opens this page with these settings.';
  } catch {
    note.textContent = 'Copy the link from the address bar: it opens this page with these settings.';
  }
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
