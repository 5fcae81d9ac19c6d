"""BibTeX of what the conventions come from: the paper where there is one, else the repository at the commit read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.conventions.convention import Source


def software(source: Source, *, key: str, year: int) -> str:
    """The entry of a repository that belongs to no paper; its author is the account that owns it."""
    title = source.repository.replace("_", r"\_")
    return f"""@misc{{{key},
  title = {{{{{title}}}}},
  author = {{{{{source.repository.partition("/")[0]}}}}},
  howpublished = {{\\url{{{source.url}}}}},
  note = {{Commit {source.commit}}},
  year = {{{year}}}
}}"""


KULLBACK_1951 = """@article{kullback1951information,
  title = {On Information and Sufficiency},
  author = {Kullback, Solomon and Leibler, Richard A.},
  journal = {The Annals of Mathematical Statistics},
  volume = {22},
  number = {1},
  pages = {79--86},
  year = {1951},
  doi = {10.1214/aoms/1177729694}
}"""

BYLINSKII_2019 = r"""@article{bylinskii2019different,
  title = {What Do Different Evaluation Metrics Tell Us About Saliency Models?},
  author = {Bylinskii, Zoya and Judd, Tilke and Oliva, Aude and Torralba, Antonio and Durand, Fr{\'e}do},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  volume = {41},
  number = {3},
  pages = {740--757},
  year = {2019},
  doi = {10.1109/TPAMI.2018.2815601}
}"""

KUEMMERER_2018 = r"""@inproceedings{kuemmerer2018saliency,
  title = {Saliency Benchmarking Made Easy: Separating Models, Maps and Metrics},
  author = {K{\"u}mmerer, Matthias and Wallis, Thomas S. A. and Bethge, Matthias},
  booktitle = {European Conference on Computer Vision (ECCV)},
  pages = {798--814},
  year = {2018},
  doi = {10.1007/978-3-030-01270-0_47}
}"""

ZANCA_2018 = """@article{zanca2018fixatons,
  title = {{FixaTons}: A Collection of Human Fixations Datasets and Metrics for Scanpath Similarity},
  author = {Zanca, Dario and Serchi, Valeria and Piu, Pietro and Rosini, Francesca and Rufa, Alessandra},
  journal = {arXiv preprint arXiv:1802.02534},
  year = {2018}
}"""

JIANG_2018 = """@inproceedings{jiang2018deepvs,
  title = {{DeepVS}: A Deep Learning Based Video Saliency Prediction Approach},
  author = {Jiang, Lai and Xu, Mai and Liu, Tie and Qiao, Minglang and Wang, Zulin},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year = {2018},
  doi = {10.1007/978-3-030-01264-9_37}
}"""

DAVID_2018 = r"""@inproceedings{david2018dataset,
  title = {A Dataset of Head and Eye Movements for 360{\textdegree} Videos},
  author = {David, Erwan J. and Guti{\'e}rrez, Jes{\'u}s and Coutrot, Antoine and Perreira Da Silva, Matthieu
    and Le Callet, Patrick},
  booktitle = {ACM Multimedia Systems Conference (MMSys)},
  year = {2018},
  doi = {10.1145/3204949.3208139}
}"""

DAVID_2024 = r"""@article{david2024salient360,
  title = {The {Salient360!} Toolbox: Handling Gaze Data in {3D} Made Easy},
  author = {David, Erwan and Guti{\'e}rrez, Jes{\'u}s and V{\~o}, Melissa L.-H. and Coutrot, Antoine
    and Perreira Da Silva, Matthieu and Le Callet, Patrick},
  journal = {Computers \& Graphics},
  pages = {103890},
  year = {2024},
  doi = {10.1016/j.cag.2024.103890}
}"""

PALAZZI_2019 = """@article{palazzi2019predicting,
  title = {Predicting the Driver's Focus of Attention: The {DR(eye)VE} Project},
  author = {Palazzi, Andrea and Abati, Davide and Calderara, Simone and Solera, Francesco and Cucchiara, Rita},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  volume = {41},
  number = {7},
  pages = {1720--1733},
  year = {2019},
  doi = {10.1109/TPAMI.2018.2845370}
}"""

KOTSERUBA_2024 = """@inproceedings{kotseruba2024understanding,
  title = {Understanding and Modeling the Effects of Task and Context on Drivers' Gaze Allocation},
  author = {Kotseruba, Iuliia and Tsotsos, John K.},
  booktitle = {IEEE Intelligent Vehicles Symposium (IV)},
  year = {2024},
  doi = {10.1109/IV55156.2024.10588589}
}"""

LUO_2022 = """@inproceedings{luo2022learning,
  title = {Learning Affordance Grounding from Exocentric Images},
  author = {Luo, Hongchen and Zhai, Wei and Zhang, Jing and Cao, Yang and Tao, Dacheng},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages = {2252--2261},
  year = {2022},
  doi = {10.1109/CVPR52688.2022.00229}
}"""

BELLITTO_2021 = """@article{bellitto2021hierarchical,
  title = {Hierarchical Domain-Adapted Feature Learning for Video Saliency Prediction},
  author = {Bellitto, Giovanni and Proietto Salanitri, Federica and Palazzo, Simone and Rundo, Francesco
    and Giordano, Daniela and Spampinato, Concetto},
  journal = {International Journal of Computer Vision},
  volume = {129},
  number = {12},
  pages = {3216--3232},
  year = {2021},
  doi = {10.1007/s11263-021-01519-y}
}"""

JIA_2020 = """@article{jia2020eml,
  title = {{EML-NET}: An Expandable Multi-Layer {NETwork} for Saliency Prediction},
  author = {Jia, Sen and Bruce, Neil D. B.},
  journal = {Image and Vision Computing},
  volume = {95},
  pages = {103887},
  year = {2020},
  doi = {10.1016/j.imavis.2020.103887}
}"""

CORNIA_2018 = """@article{cornia2018predicting,
  title = {Predicting Human Eye Fixations via an {LSTM}-Based Saliency Attentive Model},
  author = {Cornia, Marcella and Baraldi, Lorenzo and Serra, Giuseppe and Cucchiara, Rita},
  journal = {IEEE Transactions on Image Processing},
  volume = {27},
  number = {10},
  pages = {5142--5154},
  year = {2018},
  doi = {10.1109/TIP.2018.2851672}
}"""

KRONER_2020 = """@article{kroner2020contextual,
  title = {Contextual Encoder-Decoder Network for Visual Saliency Prediction},
  author = {Kroner, Alexander and Senden, Mario and Driessens, Kurt and Goebel, Rainer},
  journal = {Neural Networks},
  volume = {129},
  pages = {261--270},
  year = {2020},
  doi = {10.1016/j.neunet.2020.05.004}
}"""

CHE_2020 = """@article{che2020gaze,
  title = {How is Gaze Influenced by Image Transformations? Dataset and Model},
  author = {Che, Zhaohui and Borji, Ali and Zhai, Guangtao and Min, Xiongkuo and Guo, Guodong and Le Callet, Patrick},
  journal = {IEEE Transactions on Image Processing},
  volume = {29},
  pages = {2287--2300},
  year = {2020},
  doi = {10.1109/TIP.2019.2945857}
}"""

WANG_2018 = """@inproceedings{wang2018revisiting,
  title = {Revisiting Video Saliency: A Large-scale Benchmark and a New Model},
  author = {Wang, Wenguan and Shen, Jianbing and Guo, Fang and Cheng, Ming-Ming and Borji, Ali},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages = {4894--4903},
  year = {2018}
}"""

ZHANG_2018 = """@article{zhang2018video,
  title = {Video Saliency Prediction Based on Spatial-Temporal Two-Stream Network},
  author = {Zhang, Kao and Chen, Zhenzhong},
  journal = {IEEE Transactions on Circuits and Systems for Video Technology},
  year = {2018},
  url = {https://ieeexplore.ieee.org/document/8543830}
}"""

DROSTE_2020 = """@inproceedings{droste2020unified,
  title = {Unified Image and Video Saliency Modeling},
  author = {Droste, Richard and Jiao, Jianbo and Noble, J. Alison},
  booktitle = {European Conference on Computer Vision (ECCV)},
  pages = {419--435},
  year = {2020},
  eprint = {2003.05477},
  archiveprefix = {arXiv}
}"""

DING_2022 = r"""@article{ding2022salfbnet,
  title = {{SalFBNet}: Learning Pseudo-Saliency Distribution via Feedback Convolutional Networks},
  author = {Ding, Guanqun and {\.I}mamo{\u{g}}lu, Nevrez and Caglayan, Ali and Murakawa, Masahiro
    and Nakamura, Ryosuke},
  journal = {Image and Vision Computing},
  volume = {120},
  pages = {104395},
  year = {2022}
}"""

PASZKE_2019 = """@inproceedings{paszke2019pytorch,
  title = {{PyTorch}: An Imperative Style, High-Performance Deep Learning Library},
  author = {Paszke, Adam and Gross, Sam and Massa, Francisco and Lerer, Adam and Bradbury, James and Chanan, Gregory
    and Killeen, Trevor and Lin, Zeming and Gimelshein, Natalia and Antiga, Luca and others},
  booktitle = {Advances in Neural Information Processing Systems 32},
  year = {2019}
}"""

FOMIN_2020 = r"""@misc{fomin2020ignite,
  title = {High-Level Library to Help with Training Neural Networks in {PyTorch}},
  author = {Fomin, V. and Anmol, J. and Desroziers, S. and Kriss, J. and Tejani, A.},
  howpublished = {\url{https://github.com/pytorch/ignite}},
  year = {2020}
}"""

CHOLLET_2015 = r"""@misc{chollet2015keras,
  title = {Keras},
  author = {Chollet, Fran\c{c}ois and others},
  howpublished = {\url{https://keras.io}},
  year = {2015}
}"""

DETLEFSEN_2022 = r"""@article{detlefsen2022torchmetrics,
  title = {{TorchMetrics} - Measuring Reproducibility in {PyTorch}},
  author = {Detlefsen, Nicki Skafte and Borovec, Ji{\v{r}}{\'i} and Schock, Justus and Jha, Ananya Harsh
    and Koker, Teddy and Di Liello, Luca and Stancl, Daniel and Quan, Changsheng and Grechkin, Maxim
    and Falcon, William},
  journal = {Journal of Open Source Software},
  volume = {7},
  number = {70},
  pages = {4101},
  year = {2022},
  doi = {10.21105/joss.04101}
}"""

VIRTANEN_2020 = """@article{virtanen2020scipy,
  title = {{SciPy} 1.0: Fundamental Algorithms for Scientific Computing in {Python}},
  author = {Virtanen, Pauli and Gommers, Ralf and Oliphant, Travis E. and Haberland, Matt and Reddy, Tyler and others},
  journal = {Nature Methods},
  volume = {17},
  pages = {261--272},
  year = {2020},
  doi = {10.1038/s41592-019-0686-2}
}"""

PEARSON_1895 = """@article{pearson1895note,
  title = {Note on Regression and Inheritance in the Case of Two Parents},
  author = {Pearson, Karl},
  journal = {Proceedings of the Royal Society of London},
  volume = {58},
  pages = {240--242},
  year = {1895},
  doi = {10.1098/rspl.1895.0041}
}"""

SWAIN_1991 = """@article{swain1991color,
  title = {Color Indexing},
  author = {Swain, Michael J. and Ballard, Dana H.},
  journal = {International Journal of Computer Vision},
  volume = {7},
  number = {1},
  pages = {11--32},
  year = {1991},
  doi = {10.1007/BF00130487}
}"""

RUBNER_2000 = """@article{rubner2000earth,
  title = {The Earth Mover's Distance as a Metric for Image Retrieval},
  author = {Rubner, Yossi and Tomasi, Carlo and Guibas, Leonidas J.},
  journal = {International Journal of Computer Vision},
  volume = {40},
  number = {2},
  pages = {99--121},
  year = {2000},
  doi = {10.1023/A:1026543900054}
}"""

PETERS_2005 = """@article{peters2005components,
  title = {Components of Bottom-Up Gaze Allocation in Natural Images},
  author = {Peters, Robert J. and Iyer, Asha and Itti, Laurent and Koch, Christof},
  journal = {Vision Research},
  volume = {45},
  number = {18},
  pages = {2397--2416},
  year = {2005},
  doi = {10.1016/j.visres.2005.03.019}
}"""

HANLEY_1982 = """@article{hanley1982meaning,
  title = {The Meaning and Use of the Area under a Receiver Operating Characteristic ({ROC}) Curve},
  author = {Hanley, James A. and McNeil, Barbara J.},
  journal = {Radiology},
  volume = {143},
  number = {1},
  pages = {29--36},
  year = {1982},
  doi = {10.1148/radiology.143.1.7063747}
}"""

JUDD_2009 = r"""@inproceedings{judd2009learning,
  title = {Learning to Predict Where Humans Look},
  author = {Judd, Tilke and Ehinger, Krista and Durand, Fr{\'e}do and Torralba, Antonio},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year = {2009},
  doi = {10.1109/ICCV.2009.5459462}
}"""

BORJI_2013 = """@article{borji2013quantitative,
  title = {Quantitative Analysis of Human-Model Agreement in Visual Saliency Modeling: A Comparative Study},
  author = {Borji, Ali and Sihite, Dicky N. and Itti, Laurent},
  journal = {IEEE Transactions on Image Processing},
  volume = {22},
  number = {1},
  pages = {55--69},
  year = {2013},
  doi = {10.1109/TIP.2012.2210727}
}"""

ZHANG_2008 = """@article{zhang2008sun,
  title = {{SUN}: A {Bayesian} Framework for Saliency Using Natural Statistics},
  author = {Zhang, Lingyun and Tong, Matthew H. and Marks, Tim K. and Shan, Honghao and Cottrell, Garrison W.},
  journal = {Journal of Vision},
  volume = {8},
  number = {7},
  pages = {32},
  year = {2008},
  doi = {10.1167/8.7.32}
}"""

TATLER_2005 = """@article{tatler2005visual,
  title = {Visual Correlates of Fixation Selection: Effects of Scale and Time},
  author = {Tatler, Benjamin W. and Baddeley, Roland J. and Gilchrist, Iain D.},
  journal = {Vision Research},
  volume = {45},
  number = {5},
  pages = {643--659},
  year = {2005},
  doi = {10.1016/j.visres.2004.09.017}
}"""

JIANG_2015 = """@inproceedings{jiang2015salicon,
  title = {{SALICON}: Saliency in Context},
  author = {Jiang, Ming and Huang, Shengsheng and Duan, Juanyong and Zhao, Qi},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  pages = {1072--1080},
  year = {2015},
  doi = {10.1109/CVPR.2015.7298710}
}"""

KUEMMERER_2015 = r"""@article{kuemmerer2015information,
  title = {Information-Theoretic Model Comparison Unifies Saliency Metrics},
  author = {K{\"u}mmerer, Matthias and Wallis, Thomas S. A. and Bethge, Matthias},
  journal = {Proceedings of the National Academy of Sciences},
  volume = {112},
  number = {52},
  pages = {16054--16059},
  year = {2015},
  doi = {10.1073/pnas.1510393112}
}"""

OF_METRICS: Mapping[str, tuple[str, ...]] = {
    "cc": (PEARSON_1895, BYLINSKII_2019),
    "sim": (SWAIN_1991, BYLINSKII_2019),
    "emd": (RUBNER_2000,),
    "nss": (PETERS_2005,),
    "auc": (HANLEY_1982,),
    "auc-judd": (JUDD_2009,),
    "auc-borji": (BORJI_2013,),
    "auc-shuffled": (ZHANG_2008,),
    "sauc": (TATLER_2005,),
    "sauc-salicon": (TATLER_2005, JIANG_2015),
    "ll": (KUEMMERER_2015,),
    "ig": (KUEMMERER_2015,),
    "ig-mit": (BYLINSKII_2019,),
}
"""The entries of the metrics that no convention is about."""
