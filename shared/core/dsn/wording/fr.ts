import type { Wording } from './wording.ts';

const months = ['janvier', 'février', 'mars', 'avril', 'mai', 'juin', 'juillet', 'août', 'septembre', 'octobre', 'novembre', 'décembre'];

// French sets a no-break space before a colon and inside its quotation marks.
export const fr: Wording = {
  language: 'fr',
  titles: {
    failed: "Votre message n'a pas pu être remis",
    partlyFailed: "Votre message n'a pas pu être remis à tous ses destinataires",
    delayed: 'Votre message est retardé',
    relayed: 'Votre message a été transmis',
    delivered: 'Votre message a été remis',
  },
  date: ({ day, month, year, time }) => `${day === 1 ? '1er' : day} ${months[month]} ${year} à ${time} UTC`,
  intro: ({ host, date, subject }) =>
    `Ceci est un message automatique du système de messagerie ${host}. Il concerne votre message${subject ? ` «\u00a0${subject}\u00a0»` : ''}${date ? ` du ${date}` : ''}.`,
  outcomes: {
    failed: "Votre message n'a pas pu être remis à\u00a0:",
    expired:
      "La remise de votre message a été tentée à plusieurs reprises jusqu'à la fin du délai. Votre message n'a pas pu être remis à\u00a0:",
    delayed: "Votre message n'a pas encore pu être remis à\u00a0:",
    relayed: 'Votre message a été transmis au système de messagerie de\u00a0:',
    delivered: 'Votre message a été remis à\u00a0:',
  },
  said: (server) => (server ? `Le serveur ${server} a répondu\u00a0:` : 'Le serveur distant a répondu\u00a0:'),
  noted: 'Notre système de messagerie a noté\u00a0:',
  next: {
    failed: 'Aucune autre tentative de remise ne sera faite.',
    delayed: (until, isFailureTold) =>
      `Vous n'avez rien à faire, et il est inutile de renvoyer le message\u00a0: les tentatives se poursuivent${until ? ` jusqu'au ${until}` : ''}.` +
      (isFailureTold ? " En cas d'échec définitif, vous en serez informé." : ''),
    relayed:
      "Ce système ne confirme pas les remises, il n'y aura donc pas d'autre avis. Vous recevez ce message parce que vous l'avez demandé.",
    delivered: "Vous recevez ce message parce que vous l'avez demandé.",
  },
  classes: {
    2: "Tout s'est bien passé.",
    4: 'Un problème peut-être passager est survenu.',
    5: 'Le message a été refusé\u00a0; la réponse du serveur en indique la raison.',
  },
  reasons: {
    '1.0': "L'adresse pose un problème.",
    '1.1': "Aucune boîte aux lettres n'existe à cette adresse.",
    '1.2': "Aucun système de messagerie n'existe pour la partie de l'adresse qui suit le «\u00a0@\u00a0».",
    '1.3': "L'adresse n'est pas écrite correctement.",
    '1.4': "L'adresse correspond à plusieurs boîtes aux lettres.",
    '1.5': "L'adresse est correcte.",
    '1.6': "Le destinataire a changé d'adresse sans en laisser de nouvelle.",
    '1.7': "L'adresse depuis laquelle vous écrivez n'est pas écrite correctement.",
    '1.8': "Le domaine de votre adresse d'expéditeur n'existe pas ou n'accepte pas de courrier.",
    '1.9': "Le message a été transmis à un système qui ne peut pas indiquer ce qu'il devient.",
    '1.10': "Le domaine de l'adresse ne reçoit aucun courrier.",
    '2.0': 'La boîte aux lettres pose un problème.',
    '2.1': "La boîte aux lettres est désactivée ou n'accepte pas de messages.",
    '2.2': 'La boîte aux lettres est pleine.',
    '2.3': 'Le message est plus volumineux que ce que cette boîte aux lettres accepte.',
    '2.4': 'La liste de diffusion à cette adresse pose un problème.',
    '3.0': 'Le système de messagerie du destinataire rencontre un problème.',
    '3.1': "Le système de messagerie du destinataire n'a plus de place.",
    '3.2': "Le système de messagerie du destinataire n'accepte pas de messages en ce moment.",
    '3.3': 'Le système de messagerie du destinataire ne permet pas ce que ce message exige.',
    '3.4': 'Le message est plus volumineux que ce que le système de messagerie du destinataire accepte.',
    '3.5': "Le système de messagerie du destinataire n'est pas configuré correctement.",
    '3.6': 'La priorité du message a été modifiée.',
    '4.0': 'Un problème de réseau est survenu sur le chemin vers le système de messagerie du destinataire.',
    '4.1': 'Le système de messagerie du destinataire ne répond pas.',
    '4.2': 'La connexion au système de messagerie du destinataire a été interrompue.',
    '4.3': "L'adresse du système de messagerie du destinataire n'a pas pu être trouvée.",
    '4.4': "Aucun chemin vers le système de messagerie du destinataire n'est connu.",
    '4.5': 'Le système de messagerie du destinataire est surchargé.',
    '4.6': 'Le message tournait en rond entre des systèmes de messagerie.',
    '4.7': "Le message n'a pas pu être remis dans le délai prévu.",
    '5.0': 'Les systèmes de messagerie ne se sont pas compris.',
    '5.1': "Un système de messagerie a reçu une commande qu'il n'autorise pas.",
    '5.2': "Un système de messagerie a reçu une commande qu'il n'a pas pu lire.",
    '5.3': "Le message a plus de destinataires que le système de messagerie n'en accepte à la fois.",
    '5.4': "Un système de messagerie a reçu une commande avec des valeurs qu'il n'accepte pas.",
    '5.5': 'Les systèmes de messagerie parlent des versions différentes de leur langage.',
    '5.6': "L'authentification auprès de l'autre système de messagerie était trop longue.",
    '6.0': 'Le contenu du message pose un problème.',
    '6.1': "Le contenu du message est d'un type qui n'est pas accepté là-bas.",
    '6.2': "Le contenu devrait être converti, ce qui n'est pas autorisé.",
    '6.3': "Le contenu devrait être converti, ce qui n'est pas possible.",
    '6.4': "Le contenu ne pourrait être converti qu'avec des pertes.",
    '6.5': "Le contenu n'a pas pu être converti.",
    '6.6': "Le contenu du message n'a pas pu être récupéré.",
    '6.7': "L'adresse contient des caractères qu'un système de messagerie sur le chemin ne sait pas traiter.",
    '6.8': 'Un système de messagerie sur le chemin ne peut pas répondre avec les caractères nécessaires.',
    '6.9': "Le message a des adresses ou des en-têtes avec des caractères qu'un système de messagerie sur le chemin ne sait pas traiter.",
    '6.10': 'Un système de messagerie sur le chemin ne peut pas répondre avec les caractères nécessaires.',
    '7.0': 'Le message a été refusé pour des raisons de sécurité.',
    '7.1': "Le destinataire ou son système de messagerie n'accepte pas ce message de votre part.",
    '7.2': "Vous n'êtes pas autorisé à écrire à cette liste de diffusion.",
    '7.3': "La protection du message devrait être convertie, ce qui n'est pas possible.",
    '7.4': "Le message exige une protection que l'autre système de messagerie n'offre pas.",
    '7.5': "La protection du message n'a pas pu être vérifiée.",
    '7.6': "Le message est protégé d'une manière que l'autre système de messagerie ne connaît pas.",
    '7.7': 'Le message a été modifié en chemin.',
    '7.8': "L'authentification auprès de l'autre système de messagerie a échoué.",
    '7.9': "L'autre système de messagerie exige une authentification plus sûre.",
    '7.10': "L'autre système de messagerie exige une connexion chiffrée.",
    '7.11': "L'autre système de messagerie exige une connexion chiffrée pour cette authentification.",
    '7.12': "Le mot de passe pour l'autre système de messagerie doit être renouvelé.",
    '7.13': "Le compte auprès de l'autre système de messagerie est désactivé.",
    '7.14': "L'autre système de messagerie doit d'abord faire confiance au nôtre.",
    '7.15': "La priorité du message est trop basse pour l'autre système de messagerie.",
    '7.16': 'Le message est trop volumineux pour sa priorité.',
    '7.17': 'La boîte aux lettres a changé de propriétaire depuis votre dernier message.',
    '7.18': "Le domaine de l'adresse a changé de propriétaire depuis votre dernier message.",
    '7.19': "Il n'a pas été possible de vérifier que l'adresse appartient toujours à la même personne.",
    '7.20': "Il manque au message une signature valide de l'expéditeur (DKIM).",
    '7.21': "Le message n'a aucune signature (DKIM) acceptée là-bas.",
    '7.22': "Le message n'a aucune signature (DKIM) qui corresponde à l'expéditeur.",
    '7.23': "Selon votre domaine, notre serveur n'est pas autorisé à envoyer du courrier en son nom (SPF).",
    '7.24': "Il n'a pas été possible de vérifier quels serveurs peuvent envoyer du courrier pour votre domaine (SPF).",
    '7.25': "L'adresse de notre serveur n'a pas de nom correct (DNS inverse).",
    '7.26': "Le message n'a pas passé plusieurs contrôles de son origine.",
    '7.27': "Le domaine de votre adresse d'expéditeur déclare ne recevoir aucun courrier.",
    '7.28': 'Trop de messages sont arrivés en peu de temps.',
    '7.29': 'La chaîne de signatures (ARC) du message transféré est rompue.',
    '7.30': 'Le message doit être chiffré sur tout le chemin (REQUIRETLS), ce dont un système de messagerie sur le chemin est incapable.',
  },
  advice: {
    checkAddress:
      "Vérifiez que l'adresse ne contient pas de faute de frappe, ou demandez la bonne au destinataire, puis renvoyez le message.",
    askNewAddress: "Demandez au destinataire, par un autre moyen, l'adresse à utiliser désormais.",
    tellRecipient:
      'Prévenez le destinataire par un autre moyen, et renvoyez le message lorsque la boîte aux lettres acceptera de nouveau le courrier.',
    tryLater: "Renvoyez le message plus tard. En cas de nouvel échec, demandez de l'aide.",
    sendSmaller: 'Envoyez un message moins volumineux, avec moins de pièces jointes, des pièces plus petites ou un lien vers elles.',
    sendSimpler: 'Envoyez le message sous une forme plus simple, en texte brut ou sans pièces jointes.',
    fewerRecipients: 'Envoyez le message à moins de destinataires à la fois.',
    plainAddress: "Utilisez, pour vous et pour le destinataire, des adresses en lettres simples (de a à z), s'il en existe.",
    checkSender: "Vérifiez et corrigez l'adresse d'expéditeur dans votre logiciel de messagerie, puis renvoyez le message.",
    askTheirSide: 'Adressez-vous au destinataire ou aux responsables de sa messagerie, et montrez-leur la réponse du serveur.',
    askOurSide: "Vous n'y pouvez rien vous-même\u00a0: montrez ce message aux responsables de votre messagerie.",
    none: '',
  },
  note(note) {
    switch (note.kind) {
      case 'too-large':
        return `Seul l'en-tête du message est renvoyé\u00a0: le message dépasse ${note.limit} octets.`;
      case 'not-mail':
        return "Seul l'en-tête du message est renvoyé\u00a0: ses lignes ne sont pas celles d'un courrier.";
      case 'header-too-large':
        return "L'en-tête du message est trop volumineux pour être renvoyé.";
      case 'not-rfc822':
        return "Seul l'en-tête du message est renvoyé\u00a0: il ne contient ni From, ni Subject, ni Date.";
      case 'cut':
        return "Seul l'en-tête du message est renvoyé\u00a0: le reste n'est plus complet.";
      case 'eight-bit':
        return "Seul l'en-tête du message est renvoyé\u00a0: le serveur de messagerie de cette adresse n'accepte pas de contenu sur 8 bits.";
      case 'no-header':
        return "Rien n'est renvoyé du message\u00a0: il n'a pas d'en-tête.";
      case 'gone':
        return "Le message lui-même n'est plus disponible et ne peut pas être renvoyé.";
    }
  },
  help: (contact, id) => `Pour obtenir de l'aide, écrivez à ${contact}${id ? ` en indiquant ce numéro\u00a0: ${id}` : ''}.`,
};
