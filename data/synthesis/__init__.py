"""Making paired multi-focus images (PMF) from photographs: label maps, focus masks, optics, strips, and a stereo scene.

Read in this order: ``label_sources`` (which photograph goes with which label map), ``label_maps`` (pixels to regions),
``focus_masks`` (which regions are out of focus), ``blur`` (what defocus does to them), ``pmf`` (all of it for one
photograph, and the official rule), ``pmf_folder`` and ``writer`` (a folder full, in parallel, resumable), ``stereo``
(defocus by depth).
"""
